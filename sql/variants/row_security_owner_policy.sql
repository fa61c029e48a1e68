-- After row_security_forced.sql: what the functions need, said in policies.

CREATE POLICY functions ON public.story_jobs TO refund_owner USING (true) WITH CHECK (true);
CREATE POLICY functions ON public.user_balances TO refund_owner USING (true) WITH CHECK (true);
CREATE POLICY functions ON public.balance_transactions TO refund_owner USING (true) WITH CHECK (true);
