-- about: a shop checks out a cart given as JSON, line by line
-- call: SELECT shop.checkout('c-1', '[{"sku": "mug", "qty": 1}, {"sku": "tee", "qty": 2}]')
-- call: SELECT shop.checkout('c-2', '[{"sku": "tee", "qty": 1}, {"sku": "mug", "qty": 1}]')
-- invariant stock_not_negative: SELECT sku FROM shop.stock WHERE on_hand < 0
-- expect: violation deadlock
-- why: each line locks its stock row in the order of the cart; two carts with the same goods in opposite orders wait for each other.

CREATE SCHEMA shop;
SET search_path TO shop;

CREATE TABLE stock (sku text PRIMARY KEY, on_hand int NOT NULL);
CREATE TABLE orders (cart text PRIMARY KEY, placed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE order_lines (cart text REFERENCES orders, line_no int, sku text REFERENCES stock, qty int, PRIMARY KEY (cart, line_no));

INSERT INTO stock VALUES ('mug', 10), ('tee', 10), ('cap', 10);

CREATE OR REPLACE FUNCTION shop.checkout(p_cart text, p_items jsonb)
    RETURNS int
    LANGUAGE plpgsql
    SET search_path = shop, pg_temp
AS $function$
DECLARE
    item record;
    n int := 0;
BEGIN
    INSERT INTO orders (cart) VALUES (p_cart);

    FOR item IN SELECT * FROM jsonb_to_recordset(p_items) AS x(sku text, qty int)
    LOOP
        n := n + 1;
        UPDATE stock SET on_hand = on_hand - item.qty
         WHERE sku = item.sku AND on_hand >= item.qty;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'out of stock: %', item.sku;
        END IF;
        INSERT INTO order_lines VALUES (p_cart, n, item.sku, item.qty);
    END LOOP;

    RETURN n;
END
$function$;
