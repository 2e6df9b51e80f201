package redismm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strings"
)

// files are the options of a DSN that name files.
type files struct{ password, sentinels, ca, cert, key string }

// takeFiles takes them out of a URL, and returns what is left of its query.
func takeFiles(u *url.URL) (files, url.Values) {
	q := u.Query()
	take := func(name string) string {
		value := q.Get(name)
		q.Del(name)
		return value
	}
	f := files{take("password_file"), take("sentinel_password_file"), take("ca_file"), take("cert_file"), take("key_file")}
	if f != (files{}) {
		u.RawQuery = q.Encode()
	}
	return f, q
}

// tls adds the files to the configuration of rediss://, which is nil for the other schemes.
func (f files) tls(c *tls.Config) (*tls.Config, error) {
	if f.ca == "" && f.cert == "" && f.key == "" {
		return c, nil
	}
	if c == nil {
		return nil, errors.New("ca_file, cert_file and key_file want rediss://")
	}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, errors.New("ca_file: " + err.Error())
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("ca_file " + f.ca + ": want certificates in PEM")
		}
	}
	if f.cert != "" || f.key != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, errors.New("cert_file, key_file: " + err.Error())
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// credentials returns what reads the password of the servers at each connection, so that it may change; nil where
// no file has it.
func (t *target) credentials(file string) (func(context.Context) (string, string, error), error) {
	user, password := t.user()
	if file == "" {
		return nil, nil
	}
	if err := checkPassword("password_file", file, password); err != nil {
		return nil, err
	}
	return func(context.Context) (string, string, error) {
		text, err := readPassword(file)
		return user, text, err
	}, nil
}

// checkPassword refuses a file that cannot be read, and a password in the URL beside it: nobody could tell which of
// the two counts.
func checkPassword(option, file, inURL string) error {
	if inURL != "" {
		return errors.New("want a password or " + option + ", not both")
	}
	if _, err := readPassword(file); err != nil {
		return errors.New(option + ": " + err.Error())
	}
	return nil
}

// readPassword leaves the line's end out.
func readPassword(file string) (string, error) {
	text, err := os.ReadFile(file)
	return strings.TrimRight(string(text), "\r\n"), err
}
