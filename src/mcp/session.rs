//! Session ids of the handshake revisions: self-contained and signed, so that
//! every node with the same key accepts them and none keeps a list.

use super::version::Revision;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use std::fmt;

/// How long an id is good for. Some clients never end a session.
pub const AGE_SECONDS_MAX: u64 = 24 * 3600;

/// Revision (1), issued at (8), random (16), then the signature's first half.
const PAYLOAD_BYTES: usize = 25;
const TAG_BYTES: usize = 16;

/// Signs and checks session ids.
pub struct SessionKey(hmac::Key);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

/// What an id says, once its signature was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub revision: Revision,
    /// Names the session in memory and logs.
    pub random: [u8; 16],
}

impl SessionKey {
    /// The key of a secret of any length.
    pub fn new(secret: &[u8]) -> Self {
        SessionKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A new id. `random` comes from a secure generator, `now` is Unix time.
    pub fn issue(&self, revision: Revision, now: u64, random: [u8; 16]) -> String {
        let mut id = Vec::with_capacity(PAYLOAD_BYTES + TAG_BYTES);
        id.push(match revision {
            Revision::R2025_03_26 => 1,
            Revision::R2025_06_18 => 2,
            Revision::R2025_11_25 => 3,
        });
        id.extend_from_slice(&now.to_be_bytes());
        id.extend_from_slice(&random);
        let tag = hmac::sign(&self.0, &id);
        id.extend_from_slice(&tag.as_ref()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(id)
    }

    /// What a valid, young enough id says.
    pub fn check(&self, id: &str, now: u64) -> Option<Session> {
        let mut bytes = [0u8; PAYLOAD_BYTES + TAG_BYTES];
        let len = URL_SAFE_NO_PAD.decode_slice(id, &mut bytes).ok()?;
        if len != bytes.len() {
            return None;
        }
        let (payload, tag) = bytes.split_at(PAYLOAD_BYTES);
        let want = hmac::sign(&self.0, payload);
        // Constant time: what is compared is a secret's product.
        let differs = want.as_ref().iter().zip(tag).fold(0, |acc, (a, b)| acc | (a ^ b));
        if differs != 0 {
            return None;
        }
        let revision = match payload[0] {
            1 => Revision::R2025_03_26,
            2 => Revision::R2025_06_18,
            3 => Revision::R2025_11_25,
            _ => return None,
        };
        let issued = u64::from_be_bytes(payload[1..9].try_into().ok()?);
        let age = now.checked_sub(issued)?;
        let random = payload[9..25].try_into().ok()?;
        (age <= AGE_SECONDS_MAX).then_some(Session { revision, random })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_good_for_a_day_on_every_node_with_the_key() {
        let (a, b) = (SessionKey::new(b"k"), SessionKey::new(b"k"));
        let id = a.issue(Revision::R2025_06_18, 1000, [7; 16]);
        let want = Session { revision: Revision::R2025_06_18, random: [7; 16] };
        assert!(id.bytes().all(|c| (0x21..=0x7e).contains(&c)));
        for (now, ok) in [
            (1000, true),
            (1000 + AGE_SECONDS_MAX, true),
            (1001 + AGE_SECONDS_MAX, false),
            (999, false),
        ] {
            assert_eq!(b.check(&id, now), ok.then_some(want), "{now}");
        }
        assert_eq!(SessionKey::new(b"other").check(&id, 1000), None);
    }

    #[test]
    fn a_changed_id_is_refused() {
        let key = SessionKey::new(b"k");
        let id = key.issue(Revision::LATEST, 1000, [1; 16]);
        for i in 0..id.len() {
            let mut bytes = id.clone().into_bytes();
            bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(key.check(&changed, 1000), None, "{i}");
        }
        for id in ["", "x", &id[1..], &format!("{id}A")] {
            assert_eq!(key.check(id, 1000), None);
        }
    }
}
