-- about: quoted identifiers with blanks, capitals, dots and quotes, in a schema of that kind
-- T0  a: SELECT "Balance" -> 100
-- T1  b: SELECT "Balance" -> 100
-- T2  a: UPDATE, COMMIT; b: UPDATE, COMMIT: -40
-- verdict: serial_equivalence, over_drawn
-- setup: INSERT INTO "Billing Dept"."User.Balances" VALUES ('alice', 100)
-- call: SELECT "Billing Dept"."With""draw"('alice', 70)
-- call: SELECT "Billing Dept"."With""draw"('alice', 70)
-- invariant over_drawn: SELECT "User Id" FROM "Billing Dept"."User.Balances" WHERE "Balance" < 0

CREATE SCHEMA "Billing Dept";
CREATE TABLE "Billing Dept"."User.Balances" ("User Id" text PRIMARY KEY, "Balance" integer NOT NULL);
CREATE TABLE "Billing Dept"."select" ("from" text NOT NULL, "where" integer NOT NULL);

CREATE FUNCTION "Billing Dept"."With""draw"("User Id" text, "Sum;" integer) RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  "The Balance" integer;
BEGIN
  SELECT b."Balance" INTO "The Balance" FROM "Billing Dept"."User.Balances" AS b WHERE b."User Id" = "User Id";
  IF "The Balance" < "Sum;" THEN RETURN false; END IF;
  UPDATE "Billing Dept"."User.Balances" AS "b;" SET "Balance" = "Balance" - "Sum;" WHERE "b;"."User Id" = "User Id";
  INSERT INTO "Billing Dept"."select" ("from", "where") VALUES ("User Id", "Sum;");
  RETURN true;
END
$$;
