// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority issues certificates, as files in a directory.
type Authority struct {
	Directory   string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority, and writes ca.crt.
func NewAuthority(directory string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &Authority{Directory: directory, certificate: certificate, key: key}
	return a, errors.Join(os.MkdirAll(directory, 0o750), a.write("ca.crt", "CERTIFICATE", der))
}

// File is the path of one of the authority's files.
func (a *Authority) File(name string) string { return filepath.Join(a.Directory, name) }

func (a *Authority) write(name, kind string, content []byte) error {
	return os.WriteFile(a.File(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}

// Issue writes a certificate and its key, FILE.crt and FILE.key, for a server at the
// addresses and a client of that name. Kubernetes takes name and organization for the
// user and its group.
func (a *Authority) Issue(file, name, organization string, addresses ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return err
	}
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{organization}},
		NotAfter: a.certificate.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return errors.Join(
		a.write(file+".crt", "CERTIFICATE", der), a.write(file+".key", "PRIVATE KEY", private), a.write(file+".pub", "PUBLIC KEY", public))
}

// kubeconfig writes how a user reaches the API server, as FILE.kubeconfig.
func (a *Authority) kubeconfig(file string) error {
	content, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": []any{map[string]any{"name": "test", "cluster": map[string]any{
			"server": fmt.Sprintf("https://%s:443", Address), "certificate-authority": a.File("ca.crt"),
		}}},
		"users": []any{map[string]any{"name": "test", "user": map[string]any{
			"client-certificate": a.File(file + ".crt"), "client-key": a.File(file + ".key"),
		}}},
		"contexts": []any{map[string]any{"name": "test", "context": map[string]any{"cluster": "test", "user": "test"}}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(a.File(file+".kubeconfig"), content, 0o600)
}
