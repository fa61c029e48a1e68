-- about: stock is reserved for fifteen minutes; "one INSERT … SELECT is atomic"
-- setup: insert into reservations (sku, cart, qty, expires_at) values ('lamp', 'old cart', 1, now() + interval '10 minutes')
-- call: select reserve('lamp', 'cart a', 2)
-- call: select reserve('lamp', 'cart b', 2)
-- invariant not_oversold: select p.sku from products p where p.on_hand < (select sum(r.qty) from reservations r where r.sku = p.sku and r.expires_at > now())
-- expect: violation serial_equivalence
-- why: each INSERT … SELECT sums the reservations in its own snapshot, which lacks the other's row until that is committed: 5 of 4 reserved.

create table products (sku text primary key, on_hand int not null check (on_hand >= 0));
create table reservations (
    id bigint generated always as identity primary key,
    sku text not null references products,
    cart text not null,
    qty int not null check (qty > 0),
    expires_at timestamptz not null,
    unique (sku, cart)
);
insert into products values ('lamp', 4), ('desk', 1);

create function reserve(p_sku text, p_cart text, p_qty int) returns boolean language sql as $$
    delete from reservations where expires_at <= now();

    with ins as (
        insert into reservations (sku, cart, qty, expires_at)
        select p_sku, p_cart, p_qty, now() + interval '15 minutes'
        from products p
        where p.sku = p_sku
          and p.on_hand - coalesce((select sum(r.qty) from reservations r
                                    where r.sku = p_sku and r.expires_at > now()), 0) >= p_qty
        returning 1
    )
    select exists (select from ins);
$$;
