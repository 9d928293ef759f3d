package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

var emptyMessage emptypb.Empty

var slowTests = []test{
	{"grpc-go: keepalive pings every 10 s on a connection at rest, 45 s", func(c *Case) error { return keepsAlive(c, false) }},
	{"grpc-go: keepalive pings every 10 s beside an open stream, 45 s", func(c *Case) error { return keepsAlive(c, true) }},
	{"grpc-go: first call 12 s after connecting", lateFirstCall},
}

var grpcTests = []test{
	{"grpc-go: health Check", healthCheck},
	{"grpc-go: health Watch", healthWatch},
	{"grpc-go: TLS 1.2 only", func(c *Case) error { return oneVersion(c, tls.VersionTLS12) }},
	{"grpc-go: TLS 1.3 only", func(c *Case) error { return oneVersion(c, tls.VersionTLS13) }},
	{"grpc-go: TLS 1.1 is refused", oldTLS},
	{"grpc-go: post-quantum key share offered, classical one taken", pqOffered},
	{"grpc-go: server certificate is for each of tls.names", servingNames},
	{"grpc-go: request of 48 KiB over several DATA frames", largeRequest},
	{"grpc-go: 24 KiB of headers over CONTINUATION frames", largeHeaders},
	{"grpc-go: gzip is refused by name, as gRPC asks", compressed},
	{"grpc-go: deadline exceeded, connection still good", deadlines},
	{"grpc-go: cancelled calls, connection still good", cancels},
	{"grpc-go: 100 streams at once on one connection", func(c *Case) error { return manyStreams(c, 100) }},
	{"grpc-go: 400 calls at once, above the stream limit", func(c *Case) error { return manyStreams(c, 400) }},
	{"grpc-go: 50 connections at once", manyConnections},
	{"grpc-go: window of 64 KiB and large frames set by the client", clientWindows},
}

func keepsAlive(c *Case, stream bool) error {
	var connections counter
	conn := c.dial(nil, grpc.WithStatsHandler(stats.Handler(&connections)), grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}))
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if _, err := c.asShop(ctx, conn); err != nil {
		return err
	}
	ended := make(chan error, 1)
	if stream {
		watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			return err
		}
		go func() {
			for {
				if _, err := watch.Recv(); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	select {
	case err := <-ended:
		return fmt.Errorf("the stream ended: %w", err)
	case <-time.After(45 * time.Second):
	}
	if _, err := c.asShop(ctx, conn); err != nil {
		return err
	}
	if n := connections.begun.Load(); n != 1 {
		return fmt.Errorf("%d connections: the first was closed on us", n)
	}
	return nil
}

// lateFirstCall: pilot-agent dials at its start and asks when Envoy does.
func lateFirstCall(c *Case) error {
	conn := c.dial(nil)
	defer conn.Close()
	conn.Connect()
	time.Sleep(12 * time.Second)
	return c.works(conn)
}

func healthCheck(c *Case) error {
	conn := c.dial(nil)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	client := healthpb.NewHealthClient(conn)
	for _, service := range []string{"", "istio.v1.auth.IstioCertificateService"} {
		response, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			return err
		}
		if response.Status != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("%q is %v", service, response.Status)
		}
	}
	_, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "no.such.Service"})
	return wanted(err, codes.NotFound, "")
}

func healthWatch(c *Case) error {
	conn := c.dial(nil)
	defer conn.Close()
	for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"": healthpb.HealthCheckResponse_SERVING, "no.such.Service": healthpb.HealthCheckResponse_SERVICE_UNKNOWN,
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			return fmt.Errorf("%q, to open the stream: %w (connection is %v)", service, err, conn.GetState())
		}
		first, err := watch.Recv()
		if err != nil || first.Status != want {
			return fmt.Errorf("%q: %v, %v", service, first, err)
		}
		if _, err = watch.Recv(); status.Code(err) != codes.DeadlineExceeded { // nothing changes, so it stays open until our deadline
			return fmt.Errorf("after the first message: %v", err)
		}
	}
	return c.works(conn)
}

func oneVersion(c *Case, version uint16) error {
	config := c.tls()
	config.MinVersion, config.MaxVersion = version, version
	conn := c.dial(config)
	defer conn.Close()
	return c.works(conn)
}

func oldTLS(c *Case) error {
	config := c.tls()
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	conn, err := tls.Dial("tcp", c.Address, config)
	if err == nil {
		conn.Close()
		return errors.New("TLS 1.1 was taken")
	}
	return nil
}

func pqOffered(c *Case) error {
	config := c.tls()
	config.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256}
	conn := c.dial(config)
	defer conn.Close()
	return c.works(conn)
}

func servingNames(c *Case) error {
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "signet", "istiod.istio-system.svc"} {
		config := c.tls()
		config.ServerName, config.NextProtos = name, []string{"h2"}
		conn, err := tls.Dial("tcp", c.Address, config)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		state := conn.ConnectionState()
		conn.Close()
		if state.NegotiatedProtocol != "h2" {
			return fmt.Errorf("ALPN gave %q", state.NegotiatedProtocol)
		}
	}
	config := c.tls()
	config.ServerName = "istiod.other.svc"
	if _, err := tls.Dial("tcp", c.Address, config); err == nil {
		return errors.New("a name that is not ours was taken")
	}
	return nil
}

func largeRequest(c *Case) error {
	key := newKey("p256")
	chain, err := c.askOnce(question{csr: ztunnelCSR(key, c.id("web", "shop")), token: c.JWT["shop"],
		metadata: map[string]any{"Padding": strings.Repeat("x", 48<<10)}})
	if err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, key, c.id("web", "shop"))
	return err
}

func largeHeaders(c *Case) error {
	key := newKey("p256")
	q := question{csr: ztunnelCSR(key, c.id("web", "shop")), token: c.JWT["shop"]}
	for i := range 12 {
		q.headers = append(q.headers, fmt.Sprintf("x-padding-%d", i), strings.Repeat(fmt.Sprintf("%d~", i), 1024)[:2000])
	}
	chain, err := c.askOnce(q)
	if err != nil {
		return err
	}
	_, err = checkAnswer(c, chain, key, c.id("web", "shop"))
	return err
}

func compressed(c *Case) error {
	conn := c.dial(nil)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err := c.asShop(ctx, conn, grpc.UseCompressor(gzip.Name))
	if err := wanted(err, codes.Unimplemented, ""); err != nil {
		return err
	}
	return c.works(conn)
}

// deadlines that end before, while and after the server works.
func deadlines(c *Case) error {
	var connections counter
	conn := c.dial(nil, grpc.WithStatsHandler(stats.Handler(&connections)))
	defer conn.Close()
	if err := c.works(conn); err != nil {
		return err
	}
	exceeded := 0
	for i := range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i*10)*time.Microsecond)
		_, err := c.asShop(ctx, conn)
		cancel()
		if status.Code(err) == codes.DeadlineExceeded {
			exceeded++
		} else if err != nil {
			return err
		}
	}
	if exceeded == 0 {
		return errors.New("no deadline was met: the test proves nothing")
	}
	if err := c.works(conn); err != nil {
		return err
	}
	if n := connections.begun.Load(); n != 1 {
		return fmt.Errorf("%d connections", n)
	}
	return nil
}

func cancels(c *Case) error {
	var connections counter
	conn := c.dial(nil, grpc.WithStatsHandler(stats.Handler(&connections)))
	defer conn.Close()
	if err := c.works(conn); err != nil {
		return err
	}
	var wait sync.WaitGroup
	failures := make(chan error, 100)
	for i := range 100 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Duration(i*40)*time.Microsecond, cancel)
			if _, err := c.asShop(ctx, conn); err != nil && status.Code(err) != codes.Canceled {
				failures <- err
			}
		}()
	}
	wait.Wait()
	select {
	case err := <-failures:
		return err
	default:
	}
	if err := c.works(conn); err != nil {
		return err
	}
	if n := connections.begun.Load(); n != 1 {
		return fmt.Errorf("%d connections", n)
	}
	return nil
}

// manyStreams: each answer is for its own key, each serial is new, and one connection carries all.
func manyStreams(c *Case, n int) error {
	var connections counter
	conn := c.dial(nil, grpc.WithStatsHandler(stats.Handler(&connections)))
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	type answer struct {
		serial string
		err    error
	}
	answers := make(chan answer, n)
	begin := make(chan struct{})
	for range n {
		go func() {
			key := newKey("p256")
			csr := ztunnelCSR(key, c.id("web", "shop"))
			<-begin
			chain, err := ask(ctx, conn, question{csr: csr, token: c.JWT["shop"]})
			if err != nil {
				answers <- answer{err: err}
				return
			}
			leaf, err := checkAnswer(c, chain, key, c.id("web", "shop"))
			if err != nil {
				answers <- answer{err: err}
				return
			}
			answers <- answer{serial: leaf.SerialNumber.String()}
		}()
	}
	close(begin)
	serials := map[string]bool{}
	for range n {
		a := <-answers
		if a.err != nil {
			return a.err
		}
		serials[a.serial] = true
	}
	if len(serials) != n {
		return fmt.Errorf("%d serials for %d certificates", len(serials), n)
	}
	if got := connections.begun.Load(); got != 1 {
		return fmt.Errorf("%d connections", got)
	}
	return nil
}

func manyConnections(c *Case) error {
	errs := make(chan error, 50)
	for range 50 {
		go func() {
			conn := c.dial(nil)
			defer conn.Close()
			err := c.works(conn)
			if err == nil && conn.GetState() != connectivity.Ready {
				err = fmt.Errorf("state %v", conn.GetState())
			}
			errs <- err
		}()
	}
	var all []error
	for range 50 {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func clientWindows(c *Case) error {
	conn := c.dial(nil, grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<20), grpc.WithReadBufferSize(0), grpc.WithWriteBufferSize(0))
	defer conn.Close()
	return c.works(conn)
}
