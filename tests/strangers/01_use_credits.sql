-- about: Supabase: a user pays for an image with credits; profiles, RLS, auth.uid()
-- call: BEGIN; SELECT set_config('request.jwt.claim.sub', '11111111-1111-1111-1111-111111111111', true); SELECT public.use_credits(3, 'image'); COMMIT
-- workers: 2
-- invariant never_below_zero: select id, credits from public.profiles where credits < 0
-- expect: violation serial_equivalence
-- why: `available` is read without a lock, so two requests of one user both find 5 >= 3 and both subtract: -1.

create extension if not exists "uuid-ossp" with schema extensions;

create table public.profiles (
  id uuid not null primary key,
  email text,
  credits integer not null default 0,
  updated_at timestamptz default now()
);

create table public.credit_usage (
  id uuid primary key default gen_random_uuid(),
  profile_id uuid not null references public.profiles (id) on delete cascade,
  amount integer not null,
  feature text not null,
  created_at timestamptz not null default now()
);

alter table public.profiles enable row level security;
create policy "own profile" on public.profiles for select using (auth.uid() = id);

create or replace function public.use_credits(amount integer, feature text)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  uid uuid := auth.uid();
  available integer;
begin
  if uid is null then
    raise exception 'not authenticated' using errcode = '28000';
  end if;

  select p.credits into available from public.profiles p where p.id = uid;

  if available is null or available < amount then
    return json_build_object('ok', false, 'reason', 'insufficient_credits', 'available', available);
  end if;

  update public.profiles p set credits = p.credits - amount, updated_at = now() where p.id = uid;

  insert into public.credit_usage (profile_id, amount, feature) values (uid, amount, feature);

  return json_build_object('ok', true);
end;
$$;

revoke all on function public.use_credits(integer, text) from public, anon;
grant execute on function public.use_credits(integer, text) to authenticated;

insert into public.profiles (id, email, credits) values ('11111111-1111-1111-1111-111111111111', 'ann@example.com', 5);
