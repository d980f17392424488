-- The sample database "shop" of demo.sh and the integration tests: eleven tables, about 230,000
-- rows, the column types that most applications use. Runs on MySQL 8+ and MariaDB 10.6+, gives the
-- same rows on each run: "random" values are CRC32 of the row number.
SET NAMES utf8mb4;
SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION';
SET SESSION time_zone = '+00:00';
DROP DATABASE IF EXISTS shop;
CREATE DATABASE shop DEFAULT CHARACTER SET utf8mb4;
USE shop;

CREATE TABLE categories (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  parent_id SMALLINT UNSIGNED NULL,
  name VARCHAR(60) NOT NULL,
  position TINYINT NOT NULL DEFAULT 0,
  UNIQUE KEY uq_name (name),
  KEY idx_parent (parent_id),
  CONSTRAINT fk_category_parent FOREIGN KEY (parent_id) REFERENCES categories (id)
) ENGINE=InnoDB COMMENT='a tree of two levels';

CREATE TABLE products (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  category_id SMALLINT UNSIGNED NOT NULL,
  sku CHAR(12) NOT NULL,
  name VARCHAR(120) NOT NULL,
  description TEXT,
  price DECIMAL(10,2) NOT NULL,
  weight_kg FLOAT,
  rating DOUBLE,
  attributes JSON,
  tags SET('new','sale','eco','heavy','gift') NOT NULL DEFAULT '',
  status ENUM('draft','active','it''s gone') NOT NULL DEFAULT 'draft',
  flags BIT(6) NOT NULL DEFAULT b'0',
  thumbnail BLOB,
  checksum BINARY(16),
  released DATE,
  updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY uq_sku (sku),
  KEY idx_category (category_id, price),
  KEY idx_name (name(20)),
  CONSTRAINT fk_product_category FOREIGN KEY (category_id) REFERENCES categories (id)
) ENGINE=InnoDB;

CREATE TABLE customers (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(190) NOT NULL,
  name VARCHAR(80) NOT NULL,
  born DATE NULL,
  birth_year YEAR NULL,
  credit DECIMAL(12,4) NOT NULL DEFAULT 0,
  newsletter TINYINT(1) NOT NULL DEFAULT 0,
  locale CHAR(5) NOT NULL DEFAULT 'en_GB',
  joined DATETIME(6) NOT NULL,
  last_seen TIMESTAMP NULL DEFAULT NULL,
  call_at TIME NULL,
  avatar VARBINARY(64) NULL,
  loyalty_points INT NOT NULL DEFAULT 0,
  UNIQUE KEY uq_email (email),
  KEY idx_joined (joined)
) ENGINE=InnoDB;

CREATE TABLE addresses (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id BIGINT UNSIGNED NOT NULL,
  kind ENUM('billing','shipping') NOT NULL,
  street VARCHAR(120) NOT NULL,
  city VARCHAR(60) NOT NULL,
  postcode VARCHAR(12) NOT NULL DEFAULT '',
  country CHAR(2) NOT NULL,
  latitude DECIMAL(9,6),
  longitude DECIMAL(9,6),
  UNIQUE KEY uq_kind (customer_id, kind),
  KEY idx_city (country, city),
  CONSTRAINT fk_address_customer FOREIGN KEY (customer_id) REFERENCES customers (id)
) ENGINE=InnoDB;

CREATE TABLE orders (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id BIGINT UNSIGNED NOT NULL,
  state ENUM('cart','placed','paid','shipped','returned') NOT NULL DEFAULT 'cart',
  placed_at DATETIME NULL,
  total DECIMAL(12,2) NOT NULL DEFAULT 0,
  currency CHAR(3) NOT NULL DEFAULT 'EUR',
  note TEXT,
  KEY idx_customer (customer_id, placed_at),
  KEY idx_state (state),
  CONSTRAINT fk_order_customer FOREIGN KEY (customer_id) REFERENCES customers (id)
) ENGINE=InnoDB;

CREATE TABLE order_items (
  order_id BIGINT NOT NULL,
  line_no SMALLINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity MEDIUMINT UNSIGNED NOT NULL DEFAULT 1,
  unit_price DECIMAL(10,2) NOT NULL,
  discount FLOAT NOT NULL DEFAULT 0,
  PRIMARY KEY (order_id, line_no),
  KEY idx_product (product_id),
  CONSTRAINT fk_item_order FOREIGN KEY (order_id) REFERENCES orders (id),
  CONSTRAINT fk_item_product FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE=InnoDB;

CREATE TABLE payments (
  id BINARY(16) NOT NULL PRIMARY KEY,
  order_id BIGINT NOT NULL,
  amount DECIMAL(12,2) NOT NULL,
  method ENUM('card','transfer','voucher') NOT NULL,
  paid_at DATETIME(3) NOT NULL,
  reference VARCHAR(40) NULL,
  details JSON NULL,
  UNIQUE KEY uq_reference (reference),
  KEY idx_order (order_id),
  CONSTRAINT fk_payment_order FOREIGN KEY (order_id) REFERENCES orders (id)
) ENGINE=InnoDB;

CREATE TABLE stock (
  warehouse CHAR(4) NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity INT NOT NULL,
  reserved INT UNSIGNED NOT NULL DEFAULT 0,
  counted_at TIMESTAMP(6) NULL DEFAULT NULL,
  PRIMARY KEY (warehouse, product_id),
  CONSTRAINT fk_stock_product FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE=InnoDB;

CREATE TABLE reviews (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  product_id INT UNSIGNED NOT NULL,
  customer_id BIGINT UNSIGNED NOT NULL,
  stars TINYINT UNSIGNED NOT NULL,
  title VARCHAR(100) NOT NULL DEFAULT '',
  body MEDIUMTEXT,
  sentiment DOUBLE,
  written_at DATETIME NOT NULL,
  UNIQUE KEY uq_review (product_id, customer_id)
) ENGINE=InnoDB;

CREATE TABLE sessions (
  token CHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  customer_id BIGINT UNSIGNED NULL,
  started DATETIME(6) NOT NULL,
  duration TIME(3) NULL,
  pages SMALLINT NOT NULL DEFAULT 0,
  address VARBINARY(16) NULL,
  agent TINYTEXT CHARACTER SET latin1 NULL,
  state LONGBLOB NULL,
  KEY idx_customer (customer_id)
) ENGINE=InnoDB;

CREATE TABLE price_history (
  product_id INT UNSIGNED NOT NULL,
  valid_from DATE NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  PRIMARY KEY (product_id, valid_from)
) ENGINE=InnoDB;

-- 0 … 99,999, dropped at the end.
CREATE TABLE seq_digits (d INT PRIMARY KEY) ENGINE=InnoDB;
INSERT INTO seq_digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
CREATE TABLE seq_numbers (n INT PRIMARY KEY) ENGINE=InnoDB;
INSERT INTO seq_numbers
  SELECT a.d + 10*b.d + 100*c.d + 1000*d.d + 10000*e.d
  FROM seq_digits a, seq_digits b, seq_digits c, seq_digits d, seq_digits e;

INSERT INTO categories (id, parent_id, name, position)
  SELECT n+1, NULL, CONCAT('Department ', n+1), n FROM seq_numbers WHERE n < 10 ORDER BY n;
INSERT INTO categories (id, parent_id, name, position)
  SELECT n+1, n % 10 + 1, CONCAT('Category ', n+1, ' — größe Ω'), n % 7 - 3
  FROM seq_numbers WHERE n BETWEEN 10 AND 59 ORDER BY n;

INSERT INTO products
  SELECT n+1, n % 60 + 1, CONCAT('SKU-', LPAD(n+1, 6, '0')),
    CONCAT(ELT(n % 7 + 1, 'Lamp','Chair','Ünïcode Desk','Кружка','茶碗','🦎 Plush','O''Brien\\s Rug'),
           ' no. ', n+1),
    IF(n % 5 = 0, NULL, REPEAT(CONCAT('Line ', n, ' "quoted"\tand tab\n'), n % 8 + 1)),
    (CRC32(n) % 1000000) / 100, IF(n % 9 = 0, NULL, (CRC32(n+7) % 100000) / 1024),
    IF(n % 4 = 0, NULL, (CRC32(n+3) % 1000003) / 7),
    IF(n % 3 = 0, NULL,
       CONCAT('{"size": ', n % 50, ', "colours": ["red", "gr\\u00fcn"], "deep": {"a": null, "b": ',
              IF(n % 2 = 0, 'true', '1.50'), '}, "name": "p ', n, ' \\"x\\" \\\\"}')),
    n % 32, n % 3 + 1, CRC32(n) % 64,
    IF(n % 6 = 0, NULL, UNHEX(REPEAT(LEFT(SHA2(n, 256), 32), n % 4 + 1))), UNHEX(LEFT(SHA2(n, 256), 32)),
    IF(n % 11 = 0, NULL, DATE_ADD('1995-01-01', INTERVAL CRC32(n) % 11000 DAY)),
    DATE_ADD('2020-01-01', INTERVAL CRC32(n) % 100000000 SECOND)
  FROM seq_numbers WHERE n < 5000 ORDER BY n;

INSERT INTO customers
  SELECT n+1, CONCAT('customer', n+1, '@example.org'),
    CONCAT(ELT(n % 6 + 1, 'Zoë','Иван','Mary-Jane','李','José','D''Arcy'), ' ', HEX(CRC32(n))),
    IF(n % 8 = 0, NULL, DATE_ADD('1930-01-01', INTERVAL CRC32(n) % 29000 DAY)),
    IF(n % 10 = 0, NULL, 1930 + CRC32(n) % 90), (CRC32(n) % 100000000) / 10000 - 2000,
    n % 2, ELT(n % 3 + 1, 'en_GB','de_DE','it'),
    DATE_ADD('2015-01-01', INTERVAL CRC32(n) * 40000 MICROSECOND),
    IF(n % 5 = 0, NULL, DATE_ADD('2022-03-27', INTERVAL CRC32(n+1) % 50000000 SECOND)),
    IF(n % 7 = 0, NULL, SEC_TO_TIME(CRC32(n) % 86400 - 3600)),
    IF(n % 4 = 0, NULL, UNHEX(SHA2(n, 256))), CRC32(n) % 100000 - 50000
  FROM seq_numbers WHERE n < 20000 ORDER BY n;

INSERT INTO addresses (customer_id, kind, street, city, postcode, country, latitude, longitude)
  SELECT n % 20000 + 1, n DIV 20000 + 1, CONCAT(n % 300, ' Straße der ', HEX(n)),
    ELT(n % 5 + 1, 'Kraków','São Paulo','Żory','København','Tōkyō'), LPAD(n % 99999, 5, '0'),
    ELT(n % 5 + 1, 'PL','BR','PL','DK','JP'), CRC32(n) % 180000000 / 1000000 - 90,
    IF(n % 50 = 0, NULL, CRC32(n+1) % 360000000 / 1000000 - 180)
  FROM seq_numbers WHERE n < 25000 ORDER BY n;

INSERT INTO orders
  SELECT n+1, CRC32(n) % 20000 + 1, n % 5 + 1,
    IF(n % 5 = 0, NULL, DATE_ADD('2023-01-01', INTERVAL CRC32(n) % 60000000 SECOND)),
    CRC32(n+2) % 1000000 / 100, ELT(n % 3 + 1, 'EUR','USD','PLN'),
    IF(n % 10 = 0, CONCAT('ring twice\nthen wait \\N ', n), NULL)
  FROM seq_numbers WHERE n < 40000 ORDER BY n;

INSERT INTO order_items
  SELECT n % 40000 + 1, n DIV 40000 + 1, CRC32(n) % 5000 + 1, CRC32(n+5) % 20 + 1,
    CRC32(n+6) % 100000 / 100, n % 4 / 8
  FROM seq_numbers WHERE n < 80000 ORDER BY n % 40000, n DIV 40000;

INSERT INTO payments
  SELECT UNHEX(LEFT(SHA2(CONCAT('payment', n), 256), 32)), n+1, CRC32(n+2) % 1000000 / 100, n % 3 + 1,
    DATE_ADD('2023-01-01', INTERVAL CRC32(n) * 1000 * 14 MICROSECOND),
    IF(n % 3 = 0, NULL, CONCAT('REF-', n)),
    IF(n % 2 = 0, NULL, CONCAT('{"attempt": ', n % 3, ', "ok": true, "fee": 0.', n % 90 + 10, '}'))
  FROM seq_numbers WHERE n < 20000 ORDER BY n;

INSERT INTO stock
  SELECT ELT(n DIV 5000 + 1, 'WAW1','CPH1'), n % 5000 + 1, CRC32(n) % 5000 - 100, CRC32(n) % 50,
    IF(n % 3 = 0, NULL, DATE_ADD('2024-01-01', INTERVAL CRC32(n) * 5000 MICROSECOND))
  FROM seq_numbers WHERE n < 10000 ORDER BY n DIV 5000, n % 5000;

INSERT INTO reviews (product_id, customer_id, stars, title, body, sentiment, written_at)
  SELECT n % 5000 + 1, n * 7919 % 20000 + 1, CRC32(n) % 5 + 1, LEFT(LEFT(SHA2(n, 256), 32), n % 30),
    IF(n % 4 = 0, NULL, REPEAT(CONCAT('Tested “twice”. ', n, ' '), n % 20 + 1)),
    (CRC32(n) % 2000 - 1000) / 997, DATE_ADD('2021-06-01', INTERVAL CRC32(n) % 90000000 SECOND)
  FROM seq_numbers WHERE n < 10000 ORDER BY n;

INSERT INTO sessions
  SELECT LEFT(SHA2(CONCAT('session', n), 256), 32), IF(n % 3 = 0, NULL, n % 20000 + 1),
    DATE_ADD('2024-02-28', INTERVAL CRC32(n) * 1000 MICROSECOND),
    IF(n % 6 = 0, NULL, SEC_TO_TIME(CRC32(n) % 20000000 / 1000)), n % 300 - 5,
    IF(n % 2 = 0, UNHEX(LPAD(HEX(CRC32(n)), 8, '0')), UNHEX(LEFT(SHA2(n, 256), 32))),
    CONCAT('Agent/', n % 17, ' (é)'), IF(n % 40 = 0, REPEAT(UNHEX('00ff5c0a09'), n % 500), NULL)
  FROM seq_numbers WHERE n < 10000 ORDER BY n;

INSERT INTO price_history
  SELECT n % 5000 + 1, DATE_ADD('2019-12-31', INTERVAL n DIV 5000 DAY), CRC32(n) % 1000000 / 100
  FROM seq_numbers WHERE n < 10000 ORDER BY n % 5000, n DIV 5000;

DROP TABLE seq_numbers, seq_digits;
