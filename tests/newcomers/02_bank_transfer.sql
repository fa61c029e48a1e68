-- about: a bank transfer between two accounts of one currency; domains, no rows
-- expect: pass
-- why: both accounts are locked in the order of their ids before the balance is looked at.

create schema bank;

create domain bank.money_amount as numeric(14, 2) check (value >= 0);
create domain bank.currency as char(3) check (value in ('EUR', 'UAH', 'USD'));

create table bank.customers (
  id    int generated always as identity primary key,
  name  text not null check (length(trim(name)) > 0)
);

create table bank.accounts (
  id           int generated always as identity primary key,
  customer_id  int not null references bank.customers,
  currency     bank.currency not null default 'EUR',
  balance      bank.money_amount not null default 0,
  frozen       boolean not null default false
);

create table bank.transfers (
  id            bigint generated always as identity primary key,
  from_account  int not null references bank.accounts,
  to_account    int not null references bank.accounts,
  amount        numeric(14, 2) not null check (amount > 0),
  made_at       timestamptz not null default clock_timestamp(),
  check (from_account <> to_account)
);

create function bank.transfer(from_account int, to_account int, amount numeric) returns boolean
language plpgsql
as $$
#variable_conflict use_variable
declare
  locked int;
  sender bank.accounts;
begin
  perform 1 from bank.accounts a where a.id in (from_account, to_account) order by a.id for update;
  get diagnostics locked = row_count;
  if locked <> 2 then
    raise exception 'unknown account';
  end if;

  select * into sender from bank.accounts a where a.id = from_account;
  if sender.frozen or sender.balance < amount then
    return false;
  end if;

  update bank.accounts a set balance = a.balance - amount where a.id = from_account;
  update bank.accounts a set balance = a.balance + amount where a.id = to_account;
  insert into bank.transfers (from_account, to_account, amount) values (from_account, to_account, amount);
  return true;
end
$$;
