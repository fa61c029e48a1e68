-- The cached balances of one execution. Variables: users.
SELECT user_id, balance, updated_at
FROM public.user_balances
WHERE user_id = ANY (:'users'::uuid[])
ORDER BY user_id;
