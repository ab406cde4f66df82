-- Whose release it is, and how its archive is called, as the report says; an archive without an author says nothing.
ALTER TABLE extracts ADD COLUMN author TEXT;
ALTER TABLE extracts ADD COLUMN archive TEXT;
-- The report whose word the release shows: of those that stand and name an author, the one with the lowest number. An
-- upload is believed before it.
ALTER TABLE releases ADD COLUMN told_by BIGINT;

UPDATE extracts SET author = CAST(document AS JSON) ->> 'author' WHERE NOT removed;
-- What other archives were called was not kept; reading the reports again finds it.
UPDATE extracts SET archive = releases.archive FROM releases
    WHERE releases.number = extracts.release AND releases.author = extracts.author;
UPDATE releases SET told_by = (SELECT min(number) FROM extracts
    WHERE extracts.release = releases.number AND NOT removed AND extracts.author IS NOT NULL);

-- Releases that showed another word now change, and the feed tells of it.
CREATE TEMPORARY TABLE retold AS
    SELECT releases.number AS number, said.author AS author, said.archive AS archive,
           row_number() OVER (ORDER BY releases.number) AS place
    FROM releases LEFT JOIN extracts AS said ON said.number = releases.told_by
    WHERE releases.author IS DISTINCT FROM said.author AND NOT EXISTS (SELECT 1 FROM uploads
        WHERE uploads.language = releases.language AND uploads.distribution = releases.distribution
        AND uploads.version = releases.version);
UPDATE releases SET author = retold.author, archive = retold.archive,
    change_number = (SELECT value FROM counters WHERE name = 'changes') + retold.place
    FROM retold WHERE retold.number = releases.number;
UPDATE counters SET value = value + (SELECT count(*) FROM retold) WHERE name = 'changes';
DROP TABLE retold;
