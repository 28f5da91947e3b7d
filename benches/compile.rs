//! Loading: a document's bytes -> a snapshot.
//!
//! `cargo bench --bench compile`; a document of your own with
//! `DRAWBRIDGE_BENCH_DOCUMENT=FILE`.

#[path = "fixture/load.rs"]
mod load;

use load::loaded;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn load(bytes: Vec<u8>) -> usize {
    loaded(bytes).servers[0].tools.len()
}

#[divan::bench]
fn bookshop(bencher: divan::Bencher<'_, '_>) {
    let text = drawbridge::demo::DOCUMENT.as_bytes();
    bencher.with_inputs(|| text.to_vec()).bench_values(load);
}

/// A thousand operations that share components, as large real documents do.
#[divan::bench(sample_count = 10)]
fn thousand_operations(bencher: divan::Bencher<'_, '_>) {
    let text = large().into_bytes();
    bencher.with_inputs(|| text.clone()).bench_values(load);
}

/// The document the environment names, if it names one.
#[divan::bench(sample_count = 10)]
fn own_document(bencher: divan::Bencher<'_, '_>) {
    let Some(path) = std::env::var_os("DRAWBRIDGE_BENCH_DOCUMENT") else { return };
    let bytes = std::fs::read(path).expect("the document can be read");
    bencher.with_inputs(|| bytes.clone()).bench_values(load);
}

fn large() -> String {
    let schemas: Vec<String> = (0..300)
        .map(|i| {
            let next = (i + 1) % 300;
            format!(
                r##""S{i}":{{"type":"object","description":"Schema number {i}, with a sentence that says what it is.","properties":{{"id":{{"type":"integer"}},"name":{{"type":"string","nullable":true}},"tags":{{"type":"array","items":{{"type":"string","enum":["a","b"]}}}},"next":{{"$ref":"#/components/schemas/S{}"}}}}}}"##,
                if i % 10 == 9 { i } else { next }
            )
        })
        .collect();
    let paths: Vec<String> = (0..1000)
        .map(|i| {
            format!(
                r##""/things{i}/{{id}}":{{"get":{{"operationId":"get{i}","summary":"Get thing {i}","parameters":[{{"name":"id","in":"path","required":true,"schema":{{"type":"integer"}}}},{{"name":"filter","in":"query","schema":{{"type":"string"}}}}],"responses":{{"200":{{"description":"ok","content":{{"application/json":{{"schema":{{"$ref":"#/components/schemas/S{}"}}}}}}}}}}}}}}"##,
                i % 300
            )
        })
        .collect();
    format!(
        r#"{{"openapi":"3.0.3","info":{{"title":"Large","version":"1"}},"paths":{{{}}},"components":{{"schemas":{{{}}}}}}}"#,
        paths.join(","),
        schemas.join(",")
    )
}
