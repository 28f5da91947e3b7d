//! Tables of requests and what the bookshop answers, and the agreements
//! between the document and the code.

use std::sync::Arc;

use serde_json::{Value, json};

use super::book::{Genre, catalogue, check_isbn};
use super::search::{PAGE_MAX, PER_PAGE_DEFAULT, PER_PAGE_MAX, Sort};
use super::*;

const AUSTEN: &str = "/books/9780141439518";

fn get(target: &str) -> Answer {
    Bookshop::new().handle("GET", target, b"")
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("a JSON body")
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let found = answer.headers.iter().find(|(given, _)| *given == name);
    found.map(|(_, value)| value.as_str())
}

fn new_book() -> Value {
    json!({
        "isbn": "9780141183534", "title": "A Room of One's Own", "author": "Virginia Woolf",
        "year": 1929, "genre": "memoir", "price": 8.49
    })
}

fn with(mut book: Value, field: &str, value: Value) -> Vec<u8> {
    book[field] = value;
    book.to_string().into_bytes()
}

/// The last digit that makes an ISBN of twelve.
fn isbn_from(twelve: &str) -> String {
    let candidates = (0..10).map(|digit| format!("{twelve}{digit}"));
    candidates.into_iter().find(|isbn| check_isbn(isbn).is_ok()).expect("one digit fits")
}

#[test]
fn the_catalogue_is_whole() {
    let books = catalogue();
    assert_eq!(books.len(), 47);
    for (at, book) in books.iter().enumerate() {
        assert_eq!(check_isbn(&book.isbn), Ok(()), "{}", book.title);
        assert!(books[..at].iter().all(|other| other.isbn != book.isbn));
        let fields = serde_json::to_vec(book).unwrap();
        assert!(form::parse_new(&fields).is_ok(), "{}", book.title);
    }
    for (name, genre) in Genre::CHOICES {
        assert_eq!(json!(genre), json!(name));
        assert!(books.iter().any(|book| book.genre == genre), "{name}");
    }
}

#[test]
fn searches_find_what_they_say() {
    let cases = [
        ("/books?q=pride+prejudice", 1, "Pride and Prejudice"),
        ("/books?q=Dostoevsky%20karamazov", 1, "The Brothers Karamazov"),
        ("/books?q=bronte&sort=year", 2, "Jane Eyre"),
        ("/books?author=Bront%C3%AB", 2, "Jane Eyre"),
        ("/books?q=moby%2Ddick&q=ignored", 1, "Moby-Dick"),
        ("/books?genre=science_fiction", 2, "The Time Machine"),
        ("/books?author=austen&in_stock=false", 1, "Sense and Sensibility"),
        ("/books?author=austen&in_stock=true", 2, "Emma"),
        ("/books?max_price=6.5", 1, "Candide"),
        ("/books?sort=price_desc", 47, "War and Peace"),
        ("/books?sort=year", 47, "The Odyssey"),
        ("/books?sort=author&per_page=1", 47, "The Count of Monte Cristo"),
        ("/books?q=&unknown=1&&=", 47, "A Tale of Two Cities"),
        ("/books?page=5", 47, "The War of the Worlds"),
    ];
    for (target, total, first) in cases {
        let answer = get(target);
        assert_eq!(answer.status, 200, "{target}");
        let page = body(&answer);
        assert_eq!(page["total"], total, "{target}");
        assert_eq!(page["items"][0]["title"], first, "{target}");
    }
}

#[test]
fn pages_cover_every_book_once() {
    let mut seen = Vec::new();
    for page in 1..=4 {
        let answer = body(&get(&format!("/books?per_page=15&sort=author&page={page}")));
        assert_eq!(answer["pages"], 4);
        let items = answer["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|book| book["isbn"].to_string()));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 47);
    let past = body(&get("/books?page=1000&per_page=50"));
    assert_eq!((&past["items"], &past["pages"]), (&json!([]), &json!(1)));
    let none = body(&get("/books?q=zzz"));
    assert_eq!((&none["total"], &none["pages"]), (&json!(0), &json!(0)));
}

#[test]
fn wrong_queries_are_named_all_at_once() {
    let cases: [(&str, &[&str]); 9] = [
        ("/books?page=0", &["page"]),
        ("/books?page=99999999999999999999", &["page"]),
        ("/books?per_page=51&genre=cooking&sort=", &["genre", "sort", "per_page"]),
        ("/books?max_price=inf", &["max_price"]),
        ("/books?max_price=-1&in_stock=yes", &["max_price", "in_stock"]),
        ("/reports/slow?seconds=11", &["seconds"]),
        ("/reports/slow?seconds=NaN", &["seconds"]),
        ("/reports/slow?seconds=-0.1", &["seconds"]),
        ("/reports/slow?seconds=%FF", &["seconds"]),
    ];
    for (target, expected) in cases {
        let answer = get(target);
        assert_eq!(answer.status, 400, "{target}");
        let problem = body(&answer);
        let errors = problem["errors"].as_array().unwrap();
        let names: Vec<&str> = errors.iter().filter_map(|e| e["parameter"].as_str()).collect();
        assert_eq!(names, expected, "{target}");
    }
}

#[test]
fn paths_and_methods_are_told_apart() {
    let cases = [
        ("GET", AUSTEN, 200, None),
        ("GET", "/books/%39780141439518", 200, None),
        ("GET", "/books/9780000000002", 404, None),
        ("GET", "/books/9780141439518/", 404, None),
        ("GET", "/books/%FF%00", 404, None),
        ("GET", "/books/9780000000002/cover", 404, None),
        ("DELETE", "/books/9780000000002", 404, None),
        ("PATCH", "/books/9780000000002", 404, None),
        ("GET", "", 404, None),
        ("GET", "/", 404, None),
        ("GET", "?", 404, None),
        ("GET", "*", 404, None),
        ("GET", "x/books", 404, None),
        ("GET", "//books", 404, None),
        ("GET", "/books%2F9780141439518", 404, None),
        ("PUT", "/books", 405, Some("GET, HEAD, POST")),
        ("get", "/books", 405, Some("GET, HEAD, POST")),
        ("POST", AUSTEN, 405, Some("GET, HEAD, PATCH, DELETE")),
        ("POST", "/reports/slow", 405, Some("GET, HEAD")),
        ("DELETE", "/export.csv", 405, Some("GET, HEAD")),
        ("GET", "/reports/failing", 500, None),
    ];
    for (method, target, status, allow) in cases {
        let answer = Bookshop::new().handle(method, target, b"{}");
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(header(&answer, "Allow"), allow, "{method} {target}");
        if status >= 400 {
            let problem = body(&answer);
            assert_eq!(header(&answer, "Content-Type"), Some("application/problem+json"));
            assert_eq!(problem["status"], status);
            assert!(problem["title"].is_string() && problem["detail"].is_string());
        }
    }
}

#[test]
fn head_answers_like_get_without_a_body() {
    for target in [AUSTEN, "/books", "/export.csv", "/nowhere", "/reports/slow"] {
        let (head, get) = (Bookshop::new().handle("HEAD", target, b""), get(target));
        assert!(head.body.is_empty() && !get.body.is_empty(), "{target}");
        assert_eq!(head, get.without_body(), "{target}");
    }
}

#[test]
fn a_book_is_created_changed_and_deleted() {
    let shop = Bookshop::new();
    let sent = new_book().to_string();
    let created = shop.handle("POST", "/books", sent.as_bytes());
    assert_eq!(created.status, 201);
    let location = header(&created, "Location").unwrap();
    assert_eq!(location, "/books/9780141183534");
    assert_eq!((&body(&created)["stock"], &body(&created)["summary"]), (&json!(0), &json!("")));

    let again = shop.handle("POST", "/books", sent.as_bytes());
    assert_eq!(again.status, 409);

    let changed = shop.handle("PATCH", location, br#"{"stock": 3.0, "price": 7.004}"#);
    assert_eq!(changed.status, 200);
    assert_eq!(shop.handle("GET", location, b"").body, changed.body);
    assert_eq!(body(&changed)["price"], 7.0);
    assert_eq!(body(&changed)["title"], new_book()["title"]);

    let deleted = shop.handle("DELETE", location, b"");
    assert_eq!((deleted.status, deleted.headers.len(), deleted.body.len()), (204, 0, 0));
    assert_eq!(shop.handle("GET", location, b"").status, 404);
}

#[test]
fn wrong_fields_are_pointed_at() {
    let cases = [
        (with(new_book(), "isbn", json!("9780141183535")), "/isbn"),
        (with(new_book(), "isbn", json!("978-0141183534")), "/isbn"),
        (with(new_book(), "isbn", json!("97801411835é")), "/isbn"),
        (with(new_book(), "isbn", json!(9780141183534_u64)), "/isbn"),
        (with(new_book(), "title", json!(" ")), "/title"),
        (with(new_book(), "title", json!("x".repeat(201))), "/title"),
        (with(new_book(), "author", json!(null)), "/author"),
        (with(new_book(), "year", json!(1929.5)), "/year"),
        (with(new_book(), "year", json!(u64::MAX)), "/year"),
        (with(new_book(), "genre", json!("cooking")), "/genre"),
        (with(new_book(), "price", json!("8.49")), "/price"),
        (with(new_book(), "price", json!(-0.01)), "/price"),
        (with(new_book(), "stock", json!(100_001)), "/stock"),
        (with(new_book(), "summary", json!("x".repeat(2_001))), "/summary"),
        (with(new_book(), "a/b~c", json!(1)), "/a~1b~0c"),
        (b"[]".to_vec(), ""),
    ];
    for (sent, pointer) in cases {
        let shop = Bookshop::new();
        let answer = shop.handle("POST", "/books", &sent);
        let name = String::from_utf8_lossy(&sent);
        assert_eq!(answer.status, 422, "{name}");
        let errors = body(&answer)["errors"].clone();
        assert_eq!(errors.as_array().map(Vec::len), Some(1), "{name}");
        assert_eq!(errors[0]["pointer"], pointer, "{name}");
    }
    let missing = Bookshop::new().handle("POST", "/books", b"{}");
    assert_eq!(body(&missing)["errors"].as_array().map(Vec::len), Some(6));
}

#[test]
fn refused_changes_change_nothing() {
    let cases: [(&[u8], u16); 7] = [
        (b"{}", 422),
        (b"null", 422),
        (br#"{"isbn": "9780141439518"}"#, 422),
        (br#"{"price": 1, "stock": -1}"#, 422),
        (b"", 400),
        (b"{\"price\": 1", 400),
        (b"{\"title\": \"\xff\"}", 400),
    ];
    let shop = Bookshop::new();
    let before = shop.handle("GET", AUSTEN, b"");
    for (sent, status) in cases {
        let answer = shop.handle("PATCH", AUSTEN, sent);
        assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(sent));
    }
    assert_eq!(shop.handle("GET", AUSTEN, b""), before);
}

#[test]
fn a_full_shop_takes_no_more() {
    let shop = Bookshop::new();
    let create = |number: usize| {
        let isbn = isbn_from(&format!("979{number:09}"));
        shop.handle("POST", "/books", &with(new_book(), "isbn", json!(isbn)))
    };
    for number in catalogue().len()..BOOKS_MAX {
        assert_eq!(create(number).status, 201);
    }
    assert_eq!(create(BOOKS_MAX).status, 507);
    assert_eq!(shop.handle("DELETE", AUSTEN, b"").status, 204);
    assert_eq!(create(BOOKS_MAX).status, 201);
}

#[test]
fn an_empty_shop_still_answers() {
    let shop = Bookshop::new();
    for book in catalogue() {
        shop.handle("DELETE", &format!("/books/{}", book.isbn), b"");
    }
    let report = body(&shop.handle("GET", "/reports/slow?seconds=0", b""));
    assert_eq!(report.to_string(), r#"{"seconds":0.0,"titles":0,"copies":0,"value":0.0}"#);
    assert_eq!(body(&shop.handle("GET", "/books", b""))["pages"], 0);
    assert_eq!(body(&shop.handle("GET", "/categories", b""))["book_count"], 0);
}

#[test]
fn the_slow_report_says_how_long_to_wait() {
    let cases = [("", 2_000), ("?seconds=0", 0), ("?seconds=0.25", 250), ("?seconds=10", 10_000)];
    for (query, millis) in cases {
        let answer = get(&format!("/reports/slow{query}"));
        assert_eq!(answer.delay, Duration::from_millis(millis), "{query}");
    }
    assert_eq!(get("/books").delay, Duration::ZERO);
}

#[test]
fn categories_count_every_book() {
    fn leaves(category: &Value) -> Vec<Value> {
        let children = category["children"].as_array().unwrap();
        if children.is_empty() {
            return vec![category["genre"].clone()];
        }
        children.iter().flat_map(leaves).collect()
    }
    let tree = body(&get("/categories"));
    assert_eq!(tree["book_count"], 47);
    for (name, _) in Genre::CHOICES {
        assert!(leaves(&tree).contains(&json!(name)), "{name}");
    }
}

#[test]
fn the_cover_and_the_csv_are_what_they_claim() {
    let cover = get(&format!("{AUSTEN}/cover"));
    assert_eq!(header(&cover, "Content-Type"), Some("image/png"));
    assert!(cover.body.starts_with(b"\x89PNG\r\n\x1a\n"));

    let shop = Bookshop::new();
    let quoted = br#"{"title": "Pride, \"and\" Prejudice"}"#;
    shop.handle("PATCH", AUSTEN, quoted);
    let csv = shop.handle("GET", "/export.csv", b"");
    assert_eq!(header(&csv, "Content-Type"), Some("text/csv; charset=utf-8"));
    let text = String::from_utf8(csv.body).unwrap();
    let line = r#"9780141439518,"Pride, ""and"" Prejudice",Jane Austen,1813,romance,8.99,14"#;
    assert_eq!(text.lines().count(), 48);
    assert_eq!(text.lines().nth(1), Some(line));
}

#[test]
fn a_poisoned_lock_still_answers() {
    let shop = Arc::new(Bookshop::new());
    let poisoner = Arc::clone(&shop);
    let outcome = std::thread::spawn(move || {
        let _books = poisoner.books();
        panic!("poisons the lock");
    });
    assert!(outcome.join().is_err());
    assert_eq!(shop.handle("GET", AUSTEN, b"").status, 200);
}

#[test]
fn the_document_names_the_limits_of_the_code() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let search = "/paths/~1books/get/parameters";
    let sorts = Sort::CHOICES.map(|(name, _)| name);
    let genres = Genre::CHOICES.map(|(name, _)| name);
    let cases = [
        (format!("{search}/3/schema/maximum"), json!(form::PRICE_MAX as i64)),
        (format!("{search}/5/schema/enum"), json!(sorts)),
        (format!("{search}/6/schema/maximum"), json!(PAGE_MAX)),
        (format!("{search}/7/schema/maximum"), json!(PER_PAGE_MAX)),
        (format!("{search}/7/schema/default"), json!(PER_PAGE_DEFAULT)),
        ("/components/schemas/BookPage/properties/items/maxItems".into(), json!(PER_PAGE_MAX)),
        ("/components/schemas/Genre/enum".into(), json!(genres)),
        (
            "/paths/~1reports~1slow/get/parameters/0/schema/maximum".into(),
            json!(DELAY_SECONDS_MAX as i64),
        ),
        (
            "/paths/~1reports~1slow/get/parameters/0/schema/default".into(),
            json!(DELAY_SECONDS_DEFAULT as i64),
        ),
        ("/components/schemas/Book/properties/title/maxLength".into(), json!(form::NAME_CHARS_MAX)),
        (
            "/components/schemas/Book/properties/author/maxLength".into(),
            json!(form::NAME_CHARS_MAX),
        ),
        (
            "/components/schemas/Book/properties/summary/maxLength".into(),
            json!(form::SUMMARY_CHARS_MAX),
        ),
        ("/components/schemas/Book/properties/year/minimum".into(), json!(form::YEARS.start())),
        ("/components/schemas/Book/properties/year/maximum".into(), json!(form::YEARS.end())),
        ("/components/schemas/Book/properties/price/maximum".into(), json!(form::PRICE_MAX as i64)),
        ("/components/schemas/Book/properties/stock/maximum".into(), json!(form::STOCK_MAX)),
    ];
    for (pointer, expected) in cases {
        assert_eq!(document.pointer(&pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn every_documented_operation_is_answered() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let target = path.replace("{isbn}", "9780141439518");
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            operations += 1;
            let sent = &operation["requestBody"]["content"]["application/json"]["example"];
            let method = method.to_uppercase();
            let answer = Bookshop::new().handle(&method, &target, sent.to_string().as_bytes());
            let status = answer.status.to_string();
            assert!(operation["responses"][&status].is_object(), "{method} {path}: {status}");
            assert!(answer.status < 300 || path == "/reports/failing", "{method} {path}");
        }
    }
    assert_eq!(operations, 10);
}
