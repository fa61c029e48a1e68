-- What the form of the support team calls: it knows the job, and looks up who paid how much for it.

CREATE OR REPLACE FUNCTION public.refund_by_support(p_job_id text) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_user_id uuid;
  v_charge  integer;
BEGIN
  SELECT t.user_id, -t.amount INTO v_user_id, v_charge
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = p_job_id AND t.type = 'generation';

  RETURN public.refund_job_atomic(p_job_id, v_user_id, v_charge, 'Refunded by support');
END
$$;

REVOKE EXECUTE ON FUNCTION public.refund_by_support(text) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.refund_by_support(text) TO service_role;
