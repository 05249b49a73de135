-- What was tried on the past of each series: digests of conditions' ids, of which the smallest few count.

CREATE TABLE tried_conditions (
    series VARCHAR NOT NULL,
    digest BIGINT  NOT NULL
);
