-- about: seats of a show, as pg_dump writes the schema and the rows
-- call: SELECT public.hold_seats(7, '{A1,A2}', 'ann')
-- call: SELECT public.hold_seats(7, '{A3,A2}', 'bob')
-- call: SELECT public.hold_seats(7, '{A3,A1}', 'cy')
-- expect: pass
-- why: all wanted seats are locked in the order of their numbers before anyone looks whether they are free.

--
-- PostgreSQL database dump
--

\restrict a8XtL0yfQk

SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;

--
-- Name: hold_seats(integer, text[], text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.hold_seats(p_show integer, p_seats text[], p_holder text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
DECLARE
  free integer;
BEGIN
  PERFORM 1 FROM public.seats
    WHERE show_id = p_show AND seat_no = ANY (p_seats)
    ORDER BY seat_no
    FOR UPDATE;

  SELECT count(*) INTO free FROM public.seats
    WHERE show_id = p_show AND seat_no = ANY (p_seats) AND holder IS NULL;

  IF free < cardinality(p_seats) THEN
    RETURN false;
  END IF;

  UPDATE public.seats SET holder = p_holder WHERE show_id = p_show AND seat_no = ANY (p_seats);
  RETURN true;
END;
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: seats; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.seats (
    show_id integer NOT NULL,
    seat_no text NOT NULL,
    holder text
);


--
-- Data for Name: seats; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.seats (show_id, seat_no, holder) FROM stdin;
7	A1	\N
7	A2	\N
7	A3	\N
7	A4	zoe
\.


--
-- Name: seats seats_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.seats
    ADD CONSTRAINT seats_pkey PRIMARY KEY (show_id, seat_no);


--
-- PostgreSQL database dump complete
--

\unrestrict a8XtL0yfQk

