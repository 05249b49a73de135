-- Beside the hub's own database, which the image of Postgres makes: that of Prefect's server.
CREATE DATABASE prefect;
