-- about: a receipt, the close of its day, and the report of that day: every two of them are in some serial order
-- T0  a: take_receipt reads the open day -> 1
-- T1  b: close_day: the open day is 2, COMMIT
-- T2  c: report of day 1 -> 0, written, COMMIT: the report comes before a and after b
-- T3  a: INSERT a receipt of day 1, COMMIT: a comes before b; the report of the closed day is wrong
-- verdict: serial_equivalence, report_wrong
-- needs: three_workers
-- setup: INSERT INTO control VALUES (1)
-- call: SELECT take_receipt(100)
-- call: SELECT close_day()
-- call: SELECT report()
-- invariant report_wrong: SELECT day FROM reports p
--   WHERE p.total <> (SELECT coalesce(sum(r.amount), 0) FROM receipts r WHERE r.day = p.day)

CREATE TABLE control (open_day integer NOT NULL);
CREATE TABLE receipts (day integer NOT NULL, amount integer NOT NULL);
CREATE TABLE reports (day integer NOT NULL, total integer NOT NULL);

CREATE FUNCTION take_receipt(p_amount integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_day integer;
BEGIN
  SELECT open_day INTO v_day FROM control;
  INSERT INTO receipts VALUES (v_day, p_amount);
END
$$;

CREATE FUNCTION close_day() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE control SET open_day = open_day + 1;
END
$$;

CREATE FUNCTION report() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO reports
  SELECT c.open_day - 1, (SELECT coalesce(sum(amount), 0) FROM receipts r WHERE r.day = c.open_day - 1)
  FROM control c WHERE c.open_day > 1;
END
$$;
