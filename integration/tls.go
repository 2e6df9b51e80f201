package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TLS are the files by which servers on the loopback interface and their clients know each other, all PEM.
type TLS struct {
	// CA is the certificate that a client trusts.
	CA string
	// Cert and Key are what a client shows where the server asks: see Mutual.
	Cert, Key string

	serverCert, serverKey string
}

// NewTLS makes an authority and its certificates, good for an hour, in a directory of the test's.
func NewTLS(t testing.TB) *TLS {
	t.Helper()
	dir := t.TempDir()
	ca, err := newIssuer()
	file := func(name string) string { return filepath.Join(dir, name) }
	f := &TLS{CA: file("ca.pem"), Cert: file("client.pem"), Key: file("client.key"),
		serverCert: file("server.pem"), serverKey: file("server.key")}
	if err == nil {
		err = errors.Join(writePEM(f.CA, "CERTIFICATE", ca.cert.Raw), ca.issue("server", f.serverCert, f.serverKey),
			ca.issue("client", f.Cert, f.Key))
	}
	if err != nil {
		t.Fatalf("make certificates: %v", err)
	}
	return f
}

// Server returns the options of a server that speaks TLS only, and asks clients for nothing.
func (f *TLS) Server() []string {
	return []string{"tls-ca-cert-file " + f.CA, "tls-cert-file " + f.serverCert, "tls-key-file " + f.serverKey, "tls-auth-clients no"}
}

// Mutual returns the options of a server that speaks TLS only, and refuses a client without a certificate
// of the authority.
func (f *TLS) Mutual() []string { return append(f.Server()[:3:3], "tls-auth-clients yes") }

// Client returns the configuration of a client that shows its certificate where it is asked.
func (f *TLS) Client(t testing.TB) *tls.Config {
	t.Helper()
	c, err := clientConfig(f.CA, f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientConfig(ca, cert, key string) (*tls.Config, error) {
	trusted, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	if !c.RootCAs.AppendCertsFromPEM(trusted) {
		return nil, fmt.Errorf("%s has no certificate", ca)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	c.Certificates = []tls.Certificate{pair}
	return c, err
}

// issuer is an authority.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate("authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &issuer{cert, key}, err
}

// issue writes a certificate and its key. Servers are each other's clients, so that one does for both.
func (i *issuer) issue(name, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificate(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, err := x509.CreateCertificate(rand.Reader, template, i.cert, &key.PublicKey, i.key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	return errors.Join(err, writePEM(certFile, "CERTIFICATE", der), writePEM(keyFile, "PRIVATE KEY", secret))
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "integration " + name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
