-- Mutant: the unique index that lets one of two calls through was dropped to build a better one, which never happened.
-- Setting: two_refunds_by_key
-- Trips: one_refund_per_job
--
-- | time | w1                          | w2                          | balance |
-- |------|-----------------------------|-----------------------------|---------|
-- | T0   | SELECT key → none           |                             | 4000    |
-- | T1   |                             | SELECT key → none           | 4000    |
-- | T2   | key; refund, failed, COMMIT |                             | 5000    |
-- | T3   |                             | key; refund, failed, COMMIT | 6000    |

-- mutated: the functions are as they were, and what they count on is gone
DROP INDEX public.refund_keys_job_id_key;
