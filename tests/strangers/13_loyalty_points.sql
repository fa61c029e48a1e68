-- about: loyalty points as an append-only ledger; "I lock the member first"
-- setup: INSERT INTO loyalty.points (member_no, delta, reason) VALUES (4711, 120, 'welcome')
-- call: SELECT loyalty.spend(4711, 100, 'toaster')
-- call: SELECT loyalty.spend(4711, 100, 'kettle')
-- invariant no_debt: SELECT member_no FROM loyalty.points GROUP BY member_no HAVING sum(delta) < 0
-- expect: violation serial_equivalence
-- why: FOR SHARE locks do not exclude each other, so both sum 120 and both spend 100.

CREATE SCHEMA loyalty
  CREATE TABLE members (member_no int PRIMARY KEY, name text NOT NULL)
  CREATE TABLE points (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_no int NOT NULL REFERENCES members (member_no),
    delta int NOT NULL,
    reason text
  );

insert into loyalty.members values (4711, 'Koeln');

create or replace function loyalty.balance(m int) returns bigint language sql stable as $$
  select coalesce(sum(delta), 0) from loyalty.points where member_no = m
$$;

create or replace function loyalty.spend(m int, n int, what text) returns text language plpgsql as $$
begin
  perform * from loyalty.members where member_no = m for share;   -- lock!!
  if not found then
    raise exception 'unknown member %', m;
  end if;

  if loyalty.balance(m) < n then
    return 'not enough points';
  end if;

  insert into loyalty.points (member_no, delta, reason) values (m, -n, what);
  return 'enjoy your ' || what;
end
$$;
