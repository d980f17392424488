-- What made mariadb1011_oldtime.binlog: MariaDB 10.11.19, mysql56_temporal_format=OFF. The fraction
-- digits of these columns are not in the log.
reset master;
create database g;
use g;
create table old(t0 time, t1 time(1), t3 time(3), t6 time(6), d0 datetime, d2 datetime(2), d4 datetime(4), d6 datetime(6), s0 timestamp null, s2 timestamp(2) null, s5 timestamp(5) null, v varchar(10));
insert into old values ('-12:34:56','01:02:03.4','-12:34:56.789','838:59:59.999999','2024-02-29 01:02:03','2024-02-29 01:02:03.45','2024-02-29 01:02:03.4567','2024-02-29 01:02:03.456789','2024-02-29 01:02:03','2024-02-29 01:02:03.45','2024-02-29 01:02:03.45678','end');
flush binary logs;
