-- What PostgreSQL lacks of the words that our SQL uses (data/engines/dialects.py), for one session. Texts are read as
-- DuckDB reads them: PostgreSQL would also take 'today', 'Nov 30' or 'infinity', and raise where a text is no date.

CREATE FUNCTION pg_temp.rounded(value double precision) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT trunc(value) + CASE WHEN abs(value - trunc(value)) >= 0.5 THEN sign(value) ELSE 0 END
$$;
CREATE FUNCTION pg_temp.rounded(value numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(value) $$;
CREATE FUNCTION pg_temp.rounded(value bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT value $$;

CREATE FUNCTION pg_temp.try_whole(value numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value BETWEEN -9223372036854775808 AND 9223372036854775807 THEN CAST(value AS bigint) END
$$;
CREATE FUNCTION pg_temp.try_whole(value double precision) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value >= -9223372036854775808.0 AND value < 9223372036854775808.0 THEN CAST(value AS bigint) END
$$;
CREATE FUNCTION pg_temp.try_whole(value bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT value $$;

-- A plain number of a size that can be read, without the underscores that DuckDB allows between digits.
CREATE FUNCTION pg_temp.number_in(source_text text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN source_text ~ '^\s*[+-]?(\d(_?\d)*\.?(\d(_?\d)*)?|\.\d(_?\d)*)([eE][+-]?\d{1,3})?\s*$' AND length(source_text) < 400
                THEN CAST(replace(source_text, '_', '') AS numeric) END
$$;
CREATE FUNCTION pg_temp.try_decimal(source_text text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN abs(round(pg_temp.number_in(source_text), 6)) < 1e22 THEN CAST(pg_temp.number_in(source_text) AS numeric(28, 6)) END
$$;
CREATE FUNCTION pg_temp.try_double(source_text text) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN source_text ~* '^\s*[+-]?(inf|infinity|nan)\s*$' THEN CAST(source_text AS double precision)
                WHEN abs(pg_temp.number_in(source_text)) >= 1.7976931348623159e308
                THEN sign(pg_temp.number_in(source_text)) * CAST('infinity' AS double precision)
                WHEN abs(pg_temp.number_in(source_text)) < 1e-307 THEN 0
                ELSE CAST(pg_temp.number_in(source_text) AS double precision) END
$$;

CREATE FUNCTION pg_temp.read_timestamp(source_text text) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    part text[] := regexp_match(source_text,
        '^\s*(\d{1,6})([-/ \\])(\d{1,2})([-/ \\])(\d{1,2})(?:(?:T| +)(\d{1,9}):(\d{1,2})(?::(\d{0,2})(?:\.(\d*))?)?)?\s*$');
    year int := CAST(part[1] AS int);
    month int := CAST(part[3] AS int);
    day int := CAST(part[5] AS int);
    hour int := coalesce(CAST(part[6] AS int), 0);
    minute int := coalesce(CAST(part[7] AS int), 0);
    micros int := coalesce(CAST(nullif(part[8], '') AS int), 0) * 1000000 + CAST(left(coalesce(part[9], '') || '000000', 6) AS int);
BEGIN
    IF part IS NULL OR part[2] <> part[4] OR year NOT BETWEEN 1 AND 290000 OR month NOT BETWEEN 1 AND 12 OR day = 0
        OR minute > 59 OR micros >= 60000000 OR hour > 24 OR (hour = 24 AND (minute > 0 OR micros > 0)) THEN
        RETURN NULL;
    END IF;
    IF day > EXTRACT(day FROM make_date(year, month, 1) + INTERVAL '1 month - 1 day') THEN
        RETURN NULL;
    END IF;
    RETURN make_date(year, month, day) + make_interval(hours => hour, mins => minute) + micros * INTERVAL '1 microsecond';
END
$$;
-- Times written in the usual way are read at once.
CREATE FUNCTION pg_temp.try_timestamp(source_text text) RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN source_text ~ '^(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)?$'
                THEN CAST(source_text AS timestamp) ELSE pg_temp.read_timestamp(source_text) END
$$;

-- Of zones named by a few letters those are read of which all engines think alike.
CREATE FUNCTION pg_temp.try_instant(source_text text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone text := CASE WHEN source_text ~ ':' THEN substring(source_text FROM '([Zz]|[+-]\d\d(:?\d\d)?| +[A-Za-z]+(/[\w/+-]+)?)$') ELSE '' END;
    body text := left(source_text, length(source_text) - length(coalesce(zone, '')));
    moment timestamp := pg_temp.try_timestamp(body);
BEGIN
    zone := lower(trim(coalesce(zone, '')));
    IF body ~ '\s$' OR (zone ~ '^[a-z]+$' AND zone NOT IN ('z', 'utc', 'gmt', 'uct', 'zulu', 'universal', 'greenwich', 'est', 'mst', 'hst')) THEN
        RETURN NULL;
    ELSIF zone ~ '^[+-]' THEN
        moment := moment - CAST(left(zone, 3) AS int) * INTERVAL '1 hour'
                - CAST(left(zone, 1) || coalesce(substring(zone FROM '^...:?(\d\d)'), '0') AS int) * INTERVAL '1 minute';
    ELSIF zone LIKE '%/%' THEN
        RETURN timezone(zone, moment);
    ELSIF zone IN ('est', 'mst', 'hst') THEN
        moment := moment + CASE zone WHEN 'est' THEN 5 WHEN 'mst' THEN 7 ELSE 10 END * INTERVAL '1 hour';
    END IF;
    RETURN timezone('UTC', moment);
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
