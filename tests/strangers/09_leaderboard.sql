-- about: a game's high scores, Prisma's quoted camelCase names
-- call: SELECT "submitScore"('p1', 700)
-- call: SELECT "submitScore"('p1', 900)
-- expect: violation serial_equivalence
-- why: 700 and 900 are both compared with the old best of 500, and the 700 that is written last replaces the 900.

CREATE TABLE "Player" ("id" TEXT NOT NULL, "nickName" TEXT NOT NULL, CONSTRAINT "Player_pkey" PRIMARY KEY ("id"));

CREATE TABLE "HighScore" (
    "playerId" TEXT NOT NULL,
    "best" INTEGER NOT NULL,
    "gamesPlayed" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "HighScore_pkey" PRIMARY KEY ("playerId")
);

ALTER TABLE "HighScore" ADD CONSTRAINT "HighScore_playerId_fkey" FOREIGN KEY ("playerId") REFERENCES "Player"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

INSERT INTO "Player" VALUES ('p1', 'Nessie');
INSERT INTO "HighScore" VALUES ('p1', 500, 8);

CREATE OR REPLACE FUNCTION "submitScore"("pId" TEXT, "newScore" INTEGER) RETURNS INTEGER AS $$
DECLARE
    "current" INTEGER;
BEGIN
    SELECT "best" INTO "current" FROM "HighScore" WHERE "playerId" = "pId";
    CASE
        WHEN "current" IS NULL THEN
            INSERT INTO "HighScore" ("playerId", "best") VALUES ("pId", "newScore");
            RETURN "newScore";
        WHEN "newScore" > "current" THEN
            UPDATE "HighScore" SET "best" = "newScore", "gamesPlayed" = "gamesPlayed" + 1 WHERE "playerId" = "pId";
            RETURN "newScore";
        ELSE
            UPDATE "HighScore" SET "gamesPlayed" = "gamesPlayed" + 1 WHERE "playerId" = "pId";
            RETURN "current";
    END CASE;
END;
$$ LANGUAGE plpgsql;
