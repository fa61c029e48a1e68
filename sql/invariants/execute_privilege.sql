-- A row means: a role that must not move money may execute a function that does.
-- The functions are SECURITY DEFINER, so EXECUTE is all that stands before the tables. Needs no variables.
SELECT p.oid::regprocedure::text AS function,
       g.grantee,
       false AS expected,
       true AS may_execute
FROM pg_catalog.pg_proc AS p
CROSS JOIN (
  SELECT 'PUBLIC' AS grantee, NULL::oid AS role_oid
  UNION ALL
  SELECT r.rolname::text, r.oid
  FROM pg_catalog.pg_roles AS r
  WHERE r.rolname IN ('anon', 'authenticated')
) AS g
WHERE p.pronamespace = (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'public')
  AND p.proname IN ('complete_job_atomic', 'deduct_balance_atomic', 'refund_balance_atomic', 'refund_job_atomic')
  AND CASE
        WHEN g.role_oid IS NULL THEN has_function_privilege('public', p.oid, 'EXECUTE')
        ELSE has_function_privilege(g.role_oid, p.oid, 'EXECUTE')
      END
ORDER BY p.oid::regprocedure::text COLLATE "C", g.grantee COLLATE "C";
