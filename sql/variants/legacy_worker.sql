-- The worker before the migration: three client statements, each its own transaction.
--
-- | time | worker 1 (original)        | worker 2 (retry of the queue)  | balance      |
-- |------|----------------------------|--------------------------------|--------------|
-- | T0   | job starts                 |                                | 5000 → 4000  |
-- | T1   | generation fails           |                                |              |
-- | T2   | SELECT status → processing |                                |              |
-- | T3   |                            | SELECT status → processing     |              |
-- | T4   | refund +1000               |                                | 5000         |
-- | T5   |                            | refund +1000                   | 6000, wrong  |
-- | T6   | UPDATE status = failed     |                                |              |
-- | T7   |                            | UPDATE status = failed         |              |
--
-- One such worker alone, struck by a fault and retried, pays twice in these cells of the fault matrix; a point inside the
-- function that pays is any of them:
--
-- | point         | red                                                                                        |
-- |---------------|--------------------------------------------------------------------------------------------|
-- | refund        | black_hole                                                                                 |
-- | inside        | run_on                                                                                     |
-- | refund:commit | lost_answer lost_ack                                                                       |
-- | mark          | crash terminate reset sigterm lock_timeout lost_request torn_request black_hole             |
-- | mark:commit   | crash terminate reset sigterm                                                              |
--
-- Variables: job, user, amount, error.

-- name: select
-- continue if: {"status": "processing"}
SELECT status FROM story_jobs WHERE job_id = :'job';

-- name: refund
SELECT refund_balance_atomic(:'user', :'amount', :'error', jsonb_build_object('job_id', :'job'::text)) AS answer;

-- name: mark
UPDATE story_jobs SET status = 'failed', error = :'error' WHERE job_id = :'job';
