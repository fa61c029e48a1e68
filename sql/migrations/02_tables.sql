-- Jobs, cached balances and the ledger.
--
-- There is no foreign key to a table of users: they live with the authentication service.
-- There is no unique index on refund rows per job: the functions alone must prevent a second refund,
-- and a broken function must be able to show what it does to the ledger.

CREATE TABLE IF NOT EXISTS public.story_jobs (
  job_id       text PRIMARY KEY,  -- the job id of the queue
  user_id      uuid NOT NULL,
  status       text NOT NULL DEFAULT 'pending'
               CONSTRAINT story_jobs_status_check CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
  payload      jsonb NOT NULL DEFAULT '{}',
  story_id     text,
  result       jsonb,
  error        text,
  created_at   timestamptz NOT NULL DEFAULT now(),
  started_at   timestamptz,
  completed_at timestamptz        -- when the job ended, whether completed or failed
);

CREATE TABLE IF NOT EXISTS public.user_balances (
  user_id    uuid PRIMARY KEY,
  balance    integer NOT NULL DEFAULT 0
             CONSTRAINT user_balances_balance_check CHECK (balance >= 0),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- seq is assigned while the writer holds the lock on the balance row, so it gives the order of a user's rows.
-- created_at does not: it is the start of the transaction, and a transaction may wait for that lock.
CREATE TABLE IF NOT EXISTS public.balance_transactions (
  id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  seq            bigint GENERATED ALWAYS AS IDENTITY,
  user_id        uuid NOT NULL,
  type           text NOT NULL
                 CONSTRAINT balance_transactions_type_check
                 CHECK (type IN ('purchase', 'generation', 'refund', 'bonus', 'initial')),
  amount         integer NOT NULL,  -- signed: a charge is negative
  description    text,
  balance_before integer NOT NULL,
  balance_after  integer NOT NULL,
  metadata       jsonb NOT NULL DEFAULT '{}'
                 CONSTRAINT balance_transactions_metadata_check CHECK (jsonb_typeof(metadata) = 'object'),
  created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS story_jobs_user_id_idx
  ON public.story_jobs (user_id);

CREATE INDEX IF NOT EXISTS balance_transactions_job_id_idx
  ON public.balance_transactions ((metadata ->> 'job_id'));

CREATE INDEX IF NOT EXISTS balance_transactions_user_id_seq_idx
  ON public.balance_transactions (user_id, seq);

CREATE INDEX IF NOT EXISTS balance_transactions_refund_created_at_idx
  ON public.balance_transactions (created_at) WHERE type = 'refund';

-- A worker's service_role reads and writes; its ledger is append-only. API users have no direct access.
REVOKE ALL ON public.story_jobs, public.user_balances, public.balance_transactions FROM PUBLIC, anon, authenticated;
REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON public.balance_transactions FROM service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.story_jobs, public.user_balances TO service_role;
GRANT SELECT, INSERT ON public.balance_transactions TO service_role;
