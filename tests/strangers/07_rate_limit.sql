-- about: a sliding-window rate limiter, three hits a minute per API key
-- setup: INSERT INTO api_hits (api_key, hit_at) VALUES ('k-1', now() - interval '20 seconds'), ('k-1', now() - interval '5 seconds'), ('k-1', now() - interval '2 hours')
-- call: select check_rate_limit('k-1')
-- workers: 2
-- expect: violation serial_equivalence
-- why: both requests count two hits in the window before either one's own hit is committed; the fourth gets through.

create table if not exists api_hits (
    id bigserial primary key,
    api_key text not null,
    hit_at timestamptz not null default now()
);
create index if not exists api_hits_key_time on api_hits (api_key, hit_at desc);

create or replace function check_rate_limit(k text, max_hits int default 3, per interval default '1 minute') returns boolean as $$
declare hits int;
begin
    delete from api_hits where api_key = k and hit_at < now() - interval '1 day';
    select count(*) into hits from api_hits where api_key = k and hit_at > now() - per;
    if hits >= max_hits then return false; end if;
    insert into api_hits (api_key) values (k);
    return true;
end $$ language plpgsql;
