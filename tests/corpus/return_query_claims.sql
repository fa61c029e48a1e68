-- about: RETURN QUERY of an UPDATE that claims vouchers
-- safe: the UPDATE checks and writes in one; who waits looks at the row again and no longer finds it open
-- verdict: pass
-- setup: INSERT INTO vouchers VALUES ('v1', 10, NULL), ('v2', 20, NULL)
-- call: SELECT * FROM claim_all('alice')
-- call: SELECT * FROM claim_all('bob')
-- invariant claimed_wrong: SELECT code FROM vouchers v
--   WHERE (SELECT count(*) FROM claims c WHERE c.code = v.code) > 1

CREATE TABLE vouchers (code text PRIMARY KEY, amount integer NOT NULL, owner text);
CREATE TABLE claims (code text NOT NULL, owner text NOT NULL);

CREATE FUNCTION claim_all(p_owner text) RETURNS TABLE (voucher text, worth integer) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM vouchers v WHERE v.owner IS NULL ORDER BY v.code FOR UPDATE;
  RETURN QUERY UPDATE vouchers v SET owner = p_owner WHERE v.owner IS NULL RETURNING v.code, v.amount;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  INSERT INTO claims SELECT v.code, v.owner FROM vouchers v WHERE v.owner = p_owner;
END
$$;
