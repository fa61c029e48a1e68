-- The ledger rows of one execution, in the order they were written. Variables: users, jobs.
SELECT seq, id, user_id, type, amount, description, balance_before, balance_after, metadata, created_at
FROM public.balance_transactions
WHERE user_id = ANY (:'users'::uuid[]) OR metadata ->> 'job_id' = ANY (:'jobs'::text[])
ORDER BY seq;
