-- about: goods are moved between the bins of a warehouse; the request is one JSON document
-- expect: violation deadlock
-- why: the source is updated before the target, so a move from A to B and one from B to A lock each other out.

CREATE TABLE warehouse_bin (
    bin_code  char(4) NOT NULL,
    sku       varchar(20) NOT NULL,
    pieces    integer NOT NULL,
    CONSTRAINT pk_bin PRIMARY KEY (bin_code),
    CONSTRAINT ck_bin CHECK (pieces >= 0)
);
CREATE TABLE warehouse_move (
    move_no   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_bin  char(4) NOT NULL REFERENCES warehouse_bin (bin_code),
    to_bin    char(4) NOT NULL REFERENCES warehouse_bin (bin_code),
    pieces    integer NOT NULL CHECK (pieces > 0)
);

CREATE OR REPLACE FUNCTION move_pieces(in_from char, in_to char, in_pieces integer) RETURNS json
AS $$
DECLARE
    l_left warehouse_bin.pieces%TYPE;
    l_move integer;
BEGIN
    UPDATE warehouse_bin SET pieces = pieces - in_pieces WHERE bin_code = in_from RETURNING pieces INTO l_left;
    IF l_left IS NULL THEN
        RAISE EXCEPTION 'no bin %', in_from;
    END IF;
    UPDATE warehouse_bin SET pieces = pieces + in_pieces WHERE bin_code = in_to;
    INSERT INTO warehouse_move (from_bin, to_bin, pieces) VALUES (in_from, in_to, in_pieces) RETURNING move_no INTO l_move;
    RETURN json_build_object('move', l_move, 'left', l_left);
END;
$$ LANGUAGE 'plpgsql';
