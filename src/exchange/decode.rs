//! Answers that an API compressed although nobody asked: gzip, deflate, br and
//! zstd, decoded piece by piece within a bound. A small body can hold a very
//! large one, so the bound is on what comes out.

use crate::fault::{Class, Fault, Result};
use brotli::enc::StandardAlloc;
use std::io::{self, Write};

/// Decodes one body.
pub struct Decoder {
    kind: Kind,
    /// Whether anything came in: nothing at all is an empty body.
    fed: bool,
}

enum Kind {
    Gzip(flate2::write::MultiGzDecoder<Sink>),
    Deflate(flate2::write::ZlibDecoder<Sink>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
}

/// Bytes that one step gives, give or take a turn of the decoder.
const STEP_BYTES: usize = 32 << 10;

/// Bytes of gzip or deflate for one turn: they become at most 66 kB.
const TURN_BYTES: usize = 64;

/// Where decoded bytes go until they are taken.
struct Sink {
    out: Vec<u8>,
    room: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than the limit"));
        }
        self.room -= bytes.len();
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    /// A decoder for a `Content-Encoding`; `None` when nothing is encoded.
    pub fn new(encoding: Option<&str>, bytes_max: usize) -> Result<Option<Decoder>> {
        let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
        let sink = Sink { out: Vec::new(), room: bytes_max };
        let kind = match encoding.as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Kind::Gzip(flate2::write::MultiGzDecoder::new(sink)),
            "deflate" => Kind::Deflate(flate2::write::ZlibDecoder::new(sink)),
            "br" => Kind::Brotli(Box::new(Brotli::new(sink))),
            "zstd" => Kind::Zstd(Box::new(Zstd::new(sink).map_err(|e| failed(&e))?)),
            _ => {
                return Err(Fault::new(
                    Class::UpstreamInvalid,
                    "The API compressed its answer in a way that was not asked for and cannot be read",
                )
                .log(format!("content-encoding {encoding}")));
            }
        };
        Ok(Some(Decoder { kind, fed: false }))
    }

    /// Decodes some of a piece, and takes what was used from its front. Gives some
    /// 32 KiB at a time, and nothing when the piece is used up.
    pub fn step(&mut self, input: &mut &[u8]) -> Result<Vec<u8>> {
        self.fed |= !input.is_empty();
        loop {
            let more = self.turn(input).map_err(|e| failed(&e))?;
            if !more || self.sink().out.len() >= STEP_BYTES {
                return Ok(std::mem::take(&mut self.sink().out));
            }
        }
    }

    /// Gives whether there may be more to come out without more to come in.
    fn turn(&mut self, input: &mut &[u8]) -> io::Result<bool> {
        let (now, later) = input.split_at(input.len().min(TURN_BYTES));
        match &mut self.kind {
            Kind::Gzip(d) => d.write_all(now).and_then(|()| d.flush())?,
            Kind::Deflate(d) => d.write_all(now).and_then(|()| d.flush())?,
            Kind::Brotli(d) => return d.turn(input),
            Kind::Zstd(d) => return d.turn(input),
        }
        *input = later;
        Ok(!later.is_empty())
    }

    /// Decodes a whole piece, within the bound on what comes out.
    pub fn push(&mut self, mut input: &[u8]) -> Result<Vec<u8>> {
        let mut all = self.step(&mut input)?;
        loop {
            match self.step(&mut input)? {
                more if more.is_empty() => return Ok(all),
                more => all.extend_from_slice(&more),
            }
        }
    }

    /// Ends the body; one that stops in the middle is a fault.
    pub fn end(&mut self) -> Result<Vec<u8>> {
        if !self.fed {
            return Ok(Vec::new());
        }
        let ended = match &mut self.kind {
            Kind::Gzip(d) => d.try_finish(),
            Kind::Deflate(d) => d.try_finish(),
            Kind::Brotli(d) => d.end(),
            Kind::Zstd(d) => d.end(),
        };
        ended.map_err(|e| failed(&e))?;
        Ok(std::mem::take(&mut self.sink().out))
    }

    fn sink(&mut self) -> &mut Sink {
        match &mut self.kind {
            Kind::Gzip(d) => d.get_mut(),
            Kind::Deflate(d) => d.get_mut(),
            Kind::Brotli(d) => &mut d.sink,
            Kind::Zstd(d) => &mut d.sink,
        }
    }
}

fn is_cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the body is cut")
}

/// The crate's own writer gives all that comes of its input at once, and a few
/// bytes of brotli can hold megabytes.
struct Brotli {
    state: brotli::BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    sink: Sink,
    ended: bool,
}

impl Brotli {
    fn new(sink: Sink) -> Self {
        let alloc = StandardAlloc::default;
        let state = brotli::BrotliState::new(alloc(), alloc(), alloc());
        Brotli { state, sink, ended: false }
    }

    fn turn(&mut self, input: &mut &[u8]) -> io::Result<bool> {
        if self.ended {
            return match input.is_empty() {
                true => Ok(false),
                false => Err(io::Error::new(io::ErrorKind::InvalidData, "bytes after the end")),
            };
        }
        let mut piece = [0; 16 << 10];
        let (mut left, mut used, mut room, mut written, mut total) =
            (input.len(), 0, piece.len(), 0, 0);
        let result = brotli::BrotliDecompressStream(
            &mut left,
            &mut used,
            input,
            &mut room,
            &mut written,
            &mut piece,
            &mut total,
            &mut self.state,
        );
        *input = &input[used..];
        self.sink.write_all(&piece[..written])?;
        match result {
            brotli::BrotliResult::ResultSuccess => {
                self.ended = true;
                Ok(!input.is_empty())
            }
            brotli::BrotliResult::NeedsMoreInput => Ok(false),
            brotli::BrotliResult::NeedsMoreOutput => Ok(true),
            brotli::BrotliResult::ResultFailure => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "not brotli"))
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        if self.ended { Ok(()) } else { Err(is_cut()) }
    }
}

/// The crate's own writer does not tell a frame that is cut from a whole one.
struct Zstd {
    raw: zstd::stream::raw::Decoder<'static>,
    sink: Sink,
    /// Bytes the frame still wants; zero between frames.
    wanted: usize,
    /// Whether the last turn gave as much as it could, so that there may be more.
    full: bool,
}

impl Zstd {
    fn new(sink: Sink) -> io::Result<Self> {
        Ok(Zstd { raw: zstd::stream::raw::Decoder::new()?, sink, wanted: 0, full: false })
    }

    fn turn(&mut self, input: &mut &[u8]) -> io::Result<bool> {
        use zstd::stream::raw::{InBuffer, Operation, OutBuffer};
        // Without input a frame would seem to begin.
        if input.is_empty() && (!self.full || self.wanted == 0) {
            return Ok(false);
        }
        let mut piece = [0; 16 << 10];
        let mut from = InBuffer::around(input);
        let mut output = OutBuffer::around(&mut piece[..]);
        self.wanted = self.raw.run(&mut from, &mut output)?;
        let written = output.pos();
        *input = &input[from.pos()..];
        self.sink.write_all(&piece[..written])?;
        self.full = written == piece.len();
        Ok(!input.is_empty() || self.full)
    }

    fn end(&self) -> io::Result<()> {
        match self.wanted {
            0 => Ok(()),
            _ => Err(is_cut()),
        }
    }
}

fn failed(e: &io::Error) -> Fault {
    if e.kind() == io::ErrorKind::FileTooLarge {
        let message = "The API's answer is larger than the limit";
        return Fault::new(Class::UpstreamTooLarge, message);
    }
    broken().log(e.to_string())
}

fn broken() -> Fault {
    Fault::new(Class::UpstreamInvalid, "The API's answer is not what its Content-Encoding says")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        e.write_all(data).unwrap();
        e.finish().unwrap()
    }

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        e.write_all(data).unwrap();
        e.finish().unwrap()
    }

    fn br(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut e = brotli::CompressorWriter::new(&mut out, 4096, 9, 22);
        e.write_all(data).unwrap();
        drop(e);
        out
    }

    fn zstd_(data: &[u8]) -> Vec<u8> {
        zstd::encode_all(data, 3).unwrap()
    }

    fn decode(encoding: &str, body: &[u8], piece: usize, max: usize) -> Result<Vec<u8>> {
        let Some(mut d) = Decoder::new(Some(encoding), max)? else { return Ok(body.to_vec()) };
        let mut out = Vec::new();
        for chunk in body.chunks(piece.max(1)) {
            out.extend(d.push(chunk)?);
        }
        out.extend(d.end()?);
        Ok(out)
    }

    #[test]
    fn every_encoding_in_pieces_of_any_size() {
        let data: Vec<u8> = (0..50_000u32).map(|i| (i % 251) as u8).collect();
        let made = [
            ("gzip", gzip(&data)),
            ("deflate", deflate(&data)),
            ("br", br(&data)),
            ("zstd", zstd_(&data)),
        ];
        for (encoding, body) in &made {
            for piece in [1, 7, 1000, body.len()] {
                let got = decode(encoding, body, piece, data.len());
                assert_eq!(got.ok().as_deref(), Some(&data[..]), "{encoding} {piece}");
            }
        }
    }

    #[test]
    fn a_step_gives_little_however_much_a_piece_holds() {
        let data = vec![0u8; 8 << 20];
        for (encoding, body) in [
            ("gzip", gzip(&data)),
            ("deflate", deflate(&data)),
            ("br", br(&data)),
            ("zstd", zstd_(&data)),
        ] {
            let mut decoder = Decoder::new(Some(encoding), data.len()).unwrap().unwrap();
            let (mut input, mut seen, mut most) = (&body[..], 0, 0);
            loop {
                let step = decoder.step(&mut input).expect(encoding);
                if step.is_empty() {
                    break;
                }
                (seen, most) = (seen + step.len(), most.max(step.len()));
            }
            seen += decoder.end().unwrap().len();
            assert_eq!(seen, data.len(), "{encoding}");
            assert!(most <= STEP_BYTES + (66 << 10), "{encoding}: {most}");
        }
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let data = vec![0u8; 64 << 20];
        for (encoding, body) in [
            ("gzip", gzip(&data)),
            ("deflate", deflate(&data)),
            ("br", br(&data)),
            ("zstd", zstd_(&data)),
        ] {
            let fault = decode(encoding, &body, 4096, 1 << 20).unwrap_err();
            assert_eq!(fault.class, Class::UpstreamTooLarge, "{encoding}");
        }
        let fits = gzip(&vec![0u8; 1000]);
        assert!(decode("gzip", &fits, 9, 1000).is_ok());
        assert!(decode("gzip", &fits, 9, 999).is_err());
    }

    #[test]
    fn what_is_not_what_it_says() {
        for (encoding, body) in [
            ("gzip", &b"plain text"[..]),
            ("br", &[0xff; 40]),
            ("zstd", b"nope"),
            ("gzip, br", b"x"),
            ("compress", b"x"),
        ] {
            let fault = decode(encoding, body, 4096, 1000).unwrap_err();
            assert_eq!(fault.class, Class::UpstreamInvalid, "{encoding}");
        }
        for (encoding, whole) in
            [("gzip", gzip(&[7; 5000])), ("zstd", zstd_(&[7; 5000])), ("br", br(&[7; 5000]))]
        {
            let cut = &whole[..whole.len() - 4];
            assert!(decode(encoding, cut, 4096, 9999).is_err(), "{encoding} cut");
            assert_eq!(
                decode(encoding, b"", 1, 9).ok().as_deref(),
                Some(&b""[..]),
                "{encoding} of nothing"
            );
        }
        assert_eq!(decode("identity", b"x", 1, 9).ok().as_deref(), Some(&b"x"[..]));
    }
}
