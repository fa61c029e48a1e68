-- about: a coupon with a number of uses, three shoppers; one SQL-language function with a data-modifying CTE
-- setup: UPDATE coupon SET uses_left = 2 WHERE code = 'SPRING'
-- call: SELECT * FROM redeem_coupon('SPRING', 101)
-- call: SELECT * FROM redeem_coupon('SPRING', 102)
-- call: SELECT * FROM redeem_coupon('SPRING', 103)
-- invariant not_overused: SELECT code FROM coupon c WHERE code = 'SPRING' AND uses_left + (SELECT count(*) FROM coupon_redemption r WHERE r.code = c.code) <> 2
-- expect: pass
-- why: the UPDATE tests and takes a use in one; whoever waited tests `uses_left > 0` again on the newest row.

CREATE TABLE coupon
( code       varchar(20) PRIMARY KEY
, percent    smallint    NOT NULL CHECK (percent BETWEEN 1 AND 100)
, uses_left  int         NOT NULL
);

CREATE TABLE coupon_redemption
( code         varchar(20) NOT NULL REFERENCES coupon
, customer_id  bigint      NOT NULL
, redeemed_on  date        NOT NULL DEFAULT CURRENT_DATE
, PRIMARY KEY (code, customer_id)
);

CREATE FUNCTION redeem_coupon(varchar, bigint) RETURNS TABLE (percent smallint) AS
'
    WITH taken AS (
        UPDATE coupon SET uses_left = uses_left - 1
         WHERE code = $1 AND uses_left > 0
     RETURNING code, percent
    ), noted AS (
        INSERT INTO coupon_redemption (code, customer_id)
        SELECT code, $2 FROM taken
     RETURNING code
    )
    SELECT taken.percent FROM taken JOIN noted USING (code)
' LANGUAGE sql;

INSERT INTO coupon VALUES ('SPRING', 15, 100), ('BDAY', 50, 1);
