//! What ztunnel's TLS stack makes of Signet: rustls-webpki over issued certificates, rustls against the daemon.
//!
//!     interop-rust verify DIR                certificates of DIR (see tests/interop/interop.py)
//!     interop-rust connect ADDRESS DIR ROOT  TLS to the daemon, with and without a client certificate
//!
//! A line for each test, "PASS name" or "FAIL name: why"; the caller counts them.
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream, SupportedProtocolVersion};
use webpki::{anchor_from_trusted_cert, EndEntityCert, KeyUsage, ALL_VERIFICATION_ALGS};

type Outcome = Result<(), Box<dyn Error>>;

fn report(name: &str, outcome: Outcome) {
    match outcome {
        Ok(()) => println!("PASS {name}"),
        Err(why) => println!("FAIL {name}: {why}"),
    }
}

fn certs(path: &Path) -> Result<Vec<CertificateDer<'static>>, Box<dyn Error>> {
    let all = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() {
        return Err(format!("no certificate in {}", path.display()).into());
    }
    Ok(all)
}

fn anchors(roots: &[CertificateDer<'static>]) -> Result<Vec<TrustAnchor<'static>>, webpki::Error> {
    roots.iter().map(|r| anchor_from_trusted_cert(r).map(|a| a.to_owned())).collect()
}

/// A leaf and those between it and its root.
struct Chain<'a> {
    leaf: EndEntityCert<'a>,
    between: &'a [CertificateDer<'static>],
}

impl Chain<'_> {
    fn check(&self, roots: &[TrustAnchor], usage: KeyUsage, at: UnixTime) -> Result<(), webpki::Error> {
        self.leaf.verify_for_usage(ALL_VERIFICATION_ALGS, roots, self.between, at, usage, None, None).map(|_| ())
    }
}

fn webpki_one(dir: &Path) -> Outcome {
    let ders = certs(&dir.join("chain.pem"))?;
    let chain = Chain { leaf: EndEntityCert::try_from(&ders[0])?, between: &ders[1..] };
    let (root_ders, stranger_ders) = (certs(&dir.join("roots.pem"))?, certs(&dir.join("stranger.pem"))?);
    let (roots, strangers) = (anchors(&root_ders)?, anchors(&stranger_ders)?);
    let now = UnixTime::now();

    chain.check(&roots, KeyUsage::server_auth(), now)?;
    chain.check(&roots, KeyUsage::client_auth(), now)?;
    let id = fs::read_to_string(dir.join("id"))?;
    let uris: Vec<&str> = chain.leaf.valid_uri_names().collect();
    if uris != [id.trim()] {
        return Err(format!("URIs {uris:?}, want {id}").into());
    }
    if chain.leaf.valid_dns_names().next().is_some() {
        return Err("a DNS name that nobody granted".into());
    }
    // Controls: what must fail does.
    if chain.check(&strangers, KeyUsage::client_auth(), now).is_ok() {
        return Err("verifies under another root".into());
    }
    let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 20 * 366 * 86400));
    if !matches!(chain.check(&roots, KeyUsage::client_auth(), later), Err(webpki::Error::CertExpired { .. })) {
        return Err("verifies after its end".into());
    }
    const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
    if chain.check(&roots, KeyUsage::required(CODE_SIGNING), now).is_ok() {
        return Err("verifies for code signing".into());
    }
    Ok(())
}

/// A client and a server of rustls with this certificate on both sides, over memory: the signatures by its key hold too.
fn rustls_mutual(dir: &Path) -> Outcome {
    let mut store = RootCertStore::empty();
    for root in certs(&dir.join("roots.pem"))? {
        store.add(root)?;
    }
    let store = Arc::new(store);
    let verifier = rustls::server::WebPkiClientVerifier::builder(store.clone()).build()?;
    let key = || PrivateKeyDer::from_pem_file(dir.join("key.pem"));
    let server = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(certs(&dir.join("chain.pem"))?, key()?)?;
    let mut client = ClientConfig::builder()
        .with_root_certificates(store.clone())
        .with_client_auth_cert(certs(&dir.join("chain.pem"))?, key()?)?;
    client.dangerous().set_certificate_verifier(Arc::new(ByUri::new(store, &fs::read_to_string(dir.join("id"))?)));

    let mut a = rustls::ServerConnection::new(Arc::new(server))?;
    let mut b = ClientConnection::new(Arc::new(client), ServerName::try_from("workload.invalid")?)?;
    for _ in 0..20 {
        let mut wire = Vec::new();
        while b.wants_write() {
            b.write_tls(&mut wire)?;
        }
        let mut left = wire.as_slice();
        while !left.is_empty() {
            a.read_tls(&mut left)?;
            a.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while a.wants_write() {
            a.write_tls(&mut wire)?;
        }
        let mut left = wire.as_slice();
        while !left.is_empty() {
            b.read_tls(&mut left)?;
            b.process_new_packets()?;
        }
    }
    if a.is_handshaking() || b.is_handshaking() || a.peer_certificates().is_none() {
        return Err("the handshake did not end".into());
    }
    Ok(())
}

/// As ztunnel does: the chain by webpki, the name by the SPIFFE ID in place of the DNS name.
#[derive(Debug)]
struct ByUri {
    roots: Arc<RootCertStore>,
    id: String,
    algorithms: rustls::crypto::WebPkiSupportedAlgorithms,
}

impl ByUri {
    fn new(roots: Arc<RootCertStore>, id: &str) -> Self {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        ByUri { roots, id: id.trim().to_string(), algorithms }
    }
}

impl rustls::client::danger::ServerCertVerifier for ByUri {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        let cert = rustls::server::ParsedCertificate::try_from(leaf)?;
        rustls::client::verify_server_cert_signed_by_trust_anchor(&cert, &self.roots, intermediates, now, self.algorithms.all)?;
        let parsed = EndEntityCert::try_from(leaf).map_err(|e| rustls::Error::General(e.to_string()))?;
        if !parsed.valid_uri_names().any(|u| u == self.id) {
            return Err(rustls::Error::General("another SPIFFE ID".into()));
        }
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn sample_dirs(dir: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut out: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.join("leaf.pem").exists())
        .collect();
    out.sort();
    if out.is_empty() {
        return Err("no certificates".into());
    }
    Ok(out)
}

fn verify(dir: &str) -> Outcome {
    let verifiers: [(&str, fn(&Path) -> Outcome); 2] = [("rustls-webpki", webpki_one), ("rustls mTLS", rustls_mutual)];
    for (name, run) in verifiers {
        let mut by_root: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for sample in sample_dirs(dir)? {
            let label = sample.file_name().unwrap_or_default().to_string_lossy().to_string();
            let root = label.split('-').next().unwrap_or_default().to_string();
            let bad = by_root.entry(root).or_default();
            if let Err(why) = run(&sample) {
                bad.push(format!("{label}: {why}"));
            }
        }
        for (root, bad) in by_root {
            let outcome = if bad.is_empty() { Ok(()) } else { Err(bad.join("; ").into()) };
            report(&format!("{name}: certificates of a {root} root"), outcome);
        }
    }
    Ok(())
}

/// TLS, ALPN h2, HTTP/2 preface: the daemon's SETTINGS must come.
fn connect(address: &str, dir: &Path, version: &'static SupportedProtocolVersion, own: bool) -> Outcome {
    let mut store = RootCertStore::empty();
    for root in certs(&dir.join("roots.pem"))? {
        store.add(root)?;
    }
    let builder = ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(store);
    let mut config = if own {
        builder.with_client_auth_cert(certs(&dir.join("chain.pem"))?, PrivateKeyDer::from_pem_file(dir.join("key.pem"))?)?
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = Stream::new(&mut tls, &mut tcp);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
    let mut head = [0u8; 9];
    stream.read_exact(&mut head)?;
    if head[3] != 4 {
        return Err(format!("the first frame is {head:?}, want SETTINGS").into());
    }
    if tls.alpn_protocol() != Some(b"h2") {
        return Err("no ALPN h2".into());
    }
    Ok(())
}

fn connect_all(address: &str, dir: &str, root: &str) -> Outcome {
    use rustls::version::{TLS12, TLS13};
    let dir = Path::new(dir);
    for (version, label) in [(&TLS13, "TLS 1.3"), (&TLS12, "TLS 1.2")] {
        for (own, what) in [(false, ""), (true, " with a client certificate")] {
            report(&format!("rustls: {label} to a daemon with a {root} root{what}"), connect(address, dir, version, own));
        }
    }
    Ok(())
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let outcome = match words[..] {
        ["verify", dir] => verify(dir),
        ["connect", address, dir, root] => connect_all(address, dir, root),
        _ => Err("usage: interop-rust verify DIR | connect ADDRESS DIR ROOT".into()),
    };
    if let Err(why) = outcome {
        println!("FAIL rust: {why}");
        std::process::exit(1);
    }
}
