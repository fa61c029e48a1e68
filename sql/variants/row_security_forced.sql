-- After row_security.sql: row security holds for the owner as well. The functions run as the owner, for whom there is no
-- policy: they see no rows, and refuse everything.

ALTER TABLE public.story_jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE public.user_balances FORCE ROW LEVEL SECURITY;
ALTER TABLE public.balance_transactions FORCE ROW LEVEL SECURITY;
