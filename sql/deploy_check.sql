-- Exactly one row of type FUNCTION: the migration is applied. No row: it is not, or the role that asks
-- may not see the function (the view shows only what the current role may use). Ask as owner or service_role.
SELECT routine_schema, routine_name, routine_type
FROM information_schema.routines
WHERE routine_schema = 'public'
  AND routine_name = 'refund_job_atomic';
