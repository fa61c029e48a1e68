-- Gives back a part of what a job cost, as often as there is something left of the charge. The lock on the job's row
-- keeps the sum of its refunds as it is until the new one is written.

CREATE OR REPLACE FUNCTION public.refund_part_atomic(
  p_job_id  text,
  p_user_id uuid,
  p_amount  integer
) RETURNS jsonb
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_refusal  jsonb := jsonb_build_object('success', false, 'job_id', p_job_id);
  v_job_user uuid;
  v_charge   bigint;
  v_refunded bigint;
  v_refund   jsonb;
BEGIN
  SELECT j.user_id INTO v_job_user
  FROM public.story_jobs AS j
  WHERE j.job_id = p_job_id
  FOR UPDATE;

  IF v_job_user IS DISTINCT FROM p_user_id THEN
    RETURN v_refusal || jsonb_build_object('error', 'No such job of this user');
  END IF;

  SELECT -sum(t.amount) FILTER (WHERE t.type = 'generation'),
         coalesce(sum(t.amount) FILTER (WHERE t.type = 'refund'), 0)
    INTO v_charge, v_refunded
  FROM public.balance_transactions AS t
  WHERE t.metadata ->> 'job_id' = p_job_id
    AND t.user_id = p_user_id;

  IF v_charge IS NULL OR p_amount IS NULL OR v_refunded + p_amount > v_charge THEN
    RETURN v_refusal || jsonb_build_object('error', 'More than is left of the charge');
  END IF;

  SELECT public.refund_balance_atomic(
    p_user_id, p_amount, 'Refund of a part', jsonb_build_object('job_id', p_job_id)
  ) INTO v_refund;

  RETURN v_refund || jsonb_build_object('job_id', p_job_id);
END
$$;

REVOKE EXECUTE ON FUNCTION public.refund_part_atomic(text, uuid, integer) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.refund_part_atomic(text, uuid, integer) TO service_role;
