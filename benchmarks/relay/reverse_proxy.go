// One hop of the Go chain that Eve's relay is measured against: httputil.ReverseProxy, plain or with mutual TLS 1.3 on either side.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	listen := flag.String("listen", "", "host:port")
	upstream := flag.String("upstream", "", "address of the next hop, http or https")
	ca := flag.String("ca", "", "authority of both hops' certificates")
	cert := flag.String("cert", "", "certificate and key, shown to the side that speaks TLS")
	serves := flag.Bool("tls", false, "serve TLS, to clients with a certificate only")
	flag.Parse()

	target, err := url.Parse(*upstream)
	check(err)
	pair, err := tls.LoadX509KeyPair(*cert, *cert)
	check(err)
	pem, err := os.ReadFile(*ca)
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	trust := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		NextProtos:   []string{"http/1.1"},
	}

	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: trust}
	server := &http.Server{Addr: *listen, Handler: proxy, TLSConfig: trust}
	if *serves {
		check(server.ListenAndServeTLS("", ""))
	}
	check(server.ListenAndServe())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
