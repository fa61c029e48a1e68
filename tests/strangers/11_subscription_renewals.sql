-- about: a nightly procedure renews what is due, with an explicit cursor; cron fires on two hosts
-- call: CALL renew_due_subscriptions()
-- call: CALL renew_due_subscriptions()
-- expect: violation serial_equivalence
-- why: the cursor's snapshot shows the subscription as due to both; neither locks it nor asks again, so it is charged twice.

CREATE TYPE sub_state AS ENUM ('active', 'past_due', 'cancelled');

CREATE TABLE subscriptions (
  sub_id      integer PRIMARY KEY,
  customer    text NOT NULL,
  price       money NOT NULL,
  state       sub_state NOT NULL DEFAULT 'active',
  renews_on   date NOT NULL
);

CREATE TABLE charges (
  charge_id   integer GENERATED ALWAYS AS IDENTITY,
  sub_id      integer NOT NULL REFERENCES subscriptions,
  amount      money NOT NULL
);

INSERT INTO subscriptions VALUES
  (1, 'ann', 9.99, 'active', CURRENT_DATE - 1),
  (2, 'bob', 19.99, 'cancelled', CURRENT_DATE - 1),
  (3, 'cy', 4.99, 'active', CURRENT_DATE + 20);

CREATE OR REPLACE PROCEDURE renew_due_subscriptions()
LANGUAGE plpgsql
AS $proc$
DECLARE
  due CURSOR FOR
    SELECT sub_id, price FROM subscriptions
    WHERE state = 'active' AND renews_on <= CURRENT_DATE
    ORDER BY sub_id;
  s RECORD;
BEGIN
  OPEN due;
  LOOP
    FETCH due INTO s;
    EXIT WHEN NOT FOUND;

    INSERT INTO charges (sub_id, amount) VALUES (s.sub_id, s.price);

    UPDATE subscriptions
       SET renews_on = CURRENT_DATE + 30
     WHERE sub_id = s.sub_id;
  END LOOP;
  CLOSE due;
END;
$proc$;
