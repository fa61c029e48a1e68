-- A row means: this user is among the twenty with the highest balance.
-- Rows are normal. A balance that nobody can explain by purchases is worth a look in the ledger.
SELECT b.user_id, b.balance, b.updated_at
FROM public.user_balances AS b
ORDER BY b.balance DESC, b.user_id
LIMIT 20;
