-- Opens a user's account. Variables: user, balance.
INSERT INTO public.user_balances (user_id, balance)
VALUES (:'user', :'balance');

INSERT INTO public.balance_transactions (user_id, type, amount, description, balance_before, balance_after)
VALUES (:'user', 'initial', :'balance', 'Opening balance', 0, :'balance');
