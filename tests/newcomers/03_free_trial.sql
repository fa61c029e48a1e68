-- about: one free trial per user; "we check first", in a migration of a hosted back end
-- expect: violation serial_equivalence
-- why: no unique key stands behind the check, so two clicks both find no trial and both start one.

CREATE TABLE IF NOT EXISTS public.profiles (
  user_id UUID PRIMARY KEY REFERENCES auth.users(id) ON DELETE CASCADE,
  display_name TEXT
);

CREATE TABLE IF NOT EXISTS public.subscriptions (
  id UUID DEFAULT gen_random_uuid() PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES public.profiles(user_id) ON DELETE CASCADE,
  plan TEXT NOT NULL CHECK (plan IN ('trial', 'pro', 'team')),
  ends_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ DEFAULT NOW()
);

ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;
CREATE POLICY "read own" ON public.subscriptions FOR SELECT TO authenticated USING (user_id = auth.uid());

CREATE OR REPLACE FUNCTION public.start_trial(p_days INT DEFAULT 14)
RETURNS JSONB AS $$
DECLARE
  v_user UUID := auth.uid();
  v_id UUID;
BEGIN
  IF EXISTS (SELECT 1 FROM public.subscriptions s WHERE s.user_id = v_user) THEN
    RETURN jsonb_build_object('success', false, 'error', 'trial already used');
  END IF;

  INSERT INTO public.subscriptions (user_id, plan, ends_at)
  VALUES (v_user, 'trial', NOW() + make_interval(days => p_days))
  RETURNING id INTO v_id;

  RETURN jsonb_build_object('success', true, 'subscription_id', v_id);
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path = public;
