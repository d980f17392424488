-- What made mariadb1011.binlog: MariaDB 10.11.19, binlog_row_metadata=FULL, log_bin_compress=ON
-- (above 256 bytes), mysql56_temporal_format=OFF. mariadb1011.txt is written by hand after this file,
-- in the form of mysqlbinlog -v ("*": any value).
reset master;
create database g;
use g;
create table small(id int primary key, v varchar(20), u uuid, i inet6, vc varchar(1000) compressed, bc blob compressed, j json);
insert into small values (1,'one','123e4567-e89b-12d3-a456-426614174000','::1',repeat('c',600),repeat('d',600),'{"a":1}'),(2,null,null,null,null,null,null);
update small set v='uno' where id=1;
create table big(id int primary key, v varchar(2000));
insert into big values (1,repeat('x',1500)),(2,repeat('y',1500));
update big set v=concat(v,'!');
delete from big;
create table commented(id int) comment 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
create table old(id int primary key, t0 time, d0 datetime, s0 timestamp null);
insert into old values (1,'-12:34:56','2024-02-29 01:02:03','2024-02-29 01:02:03'),(2,null,null,null);
create sequence sq;
select nextval(sq);
xa start 'x1','b',7;
insert into big values (5,'xa');
xa end 'x1','b',7;
xa prepare 'x1','b',7;
xa commit 'x1','b',7;
set session binlog_alter_two_phase=ON;
alter table big add column c int;
set session gtid_domain_id=7;
insert into big values (6,'dom',null);
set session binlog_row_image=MINIMAL;
update big set c=1 where id=6;
flush binary logs;
