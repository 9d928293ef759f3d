package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	pb "istio.io/api/security/v1alpha1"
)

// What grpc-go itself never sends, but another client may: frames by golang.org/x/net/http2.
var rawTests = []test{
	{"http2: a message in DATA frames of one byte, with padding", func(c *Case) error { return cut(c, 1, 3) }},
	{"http2: a message in DATA frames of 100 bytes, empty ones between", func(c *Case) error { return cut(c, 100, 0) }},
	{"http2: END_STREAM in an empty DATA frame", func(c *Case) error { return cut(c, 1<<14, 0) }},
	{"http2: the server keeps grpc-timeout by itself", serverDeadline},
	{"http2: two pings a second are answered, 20 times", pings},
	{"http2: unknown frame types and settings are ignored", unknownFrames},
}

type raw struct {
	tls    *tls.Conn
	frames *http2.Framer
	block  bytes.Buffer
	header *hpack.Encoder
}

func (c *Case) raw() (*raw, error) {
	config := c.tls()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", c.Address, config)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(callTimeout))
	r := &raw{tls: conn, frames: http2.NewFramer(conn, conn)}
	r.header = hpack.NewEncoder(&r.block)
	r.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	return r, r.frames.WriteSettings()
}

func (r *raw) open(stream uint32, path string, fields ...string) error {
	r.block.Reset()
	all := append([]string{":method", "POST", ":scheme", "https", ":path", path, ":authority", "localhost",
		"content-type", "application/grpc", "te", "trailers"}, fields...)
	for i := 0; i < len(all); i += 2 {
		if err := r.header.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]}); err != nil {
			return err
		}
	}
	return r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.block.Bytes(), EndHeaders: true})
}

// answer reads until the stream ends: its bytes, and the fields of its headers and trailers.
func (r *raw) answer(stream uint32) ([]byte, map[string]string, error) {
	var body []byte
	fields := map[string]string{}
	for {
		frame, err := r.frames.ReadFrame()
		if err != nil {
			return nil, nil, err
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = r.frames.WriteSettingsAck()
			}
		case *http2.GoAwayFrame:
			err = fmt.Errorf("GOAWAY %v %q", f.ErrCode, f.DebugData())
		case *http2.RSTStreamFrame:
			err = fmt.Errorf("RST_STREAM %v", f.ErrCode)
		case *http2.DataFrame:
			body = append(body, f.Data()...)
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				fields[field.Name] = field.Value
			}
		}
		if err != nil {
			return nil, nil, err
		}
		if h := frame.Header(); h.StreamID == stream && (h.Type == http2.FrameData || h.Type == http2.FrameHeaders) && h.Flags.Has(http2.FlagDataEndStream) {
			return body, fields, nil
		}
	}
}

func grpcMessage(m proto.Message) []byte {
	body, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
}

const createCertificate = "/istio.v1.auth.IstioCertificateService/CreateCertificate"

func cut(c *Case, size, padding int) error {
	r, err := c.raw()
	if err != nil {
		return err
	}
	defer r.tls.Close()
	return r.issue(c, 1, size, padding)
}

func (r *raw) issue(c *Case, stream uint32, size, padding int) error {
	key := newKey("p256")
	if err := r.open(stream, createCertificate, "authorization", "Bearer "+c.JWT["shop"]); err != nil {
		return err
	}
	left := grpcMessage(&pb.IstioCertificateRequest{Csr: ztunnelCSR(key, c.id("web", "shop")), ValidityDuration: 3600})
	for len(left) > 0 {
		n := min(size, len(left))
		if err := r.frames.WriteDataPadded(stream, false, left[:n], make([]byte, padding)); err != nil {
			return err
		}
		if padding == 0 {
			if err := r.frames.WriteData(stream, false, nil); err != nil {
				return err
			}
		}
		left = left[n:]
	}
	if err := r.frames.WriteData(stream, true, nil); err != nil {
		return err
	}
	body, fields, err := r.answer(stream)
	if err != nil {
		return err
	}
	if fields[":status"] != "200" || fields["grpc-status"] != "0" || !strings.HasPrefix(fields["content-type"], "application/grpc") {
		return fmt.Errorf("answered %v", fields)
	}
	var response pb.IstioCertificateResponse
	if len(body) < 5 || proto.Unmarshal(body[5:], &response) != nil {
		return fmt.Errorf("%d bytes are no answer", len(body))
	}
	_, err = checkAnswer(c, response.CertChain, key, c.id("web", "shop"))
	return err
}

// serverDeadline: a Watch never ends by itself, so only the server's own clock can end it.
func serverDeadline(c *Case) error {
	r, err := c.raw()
	if err != nil {
		return err
	}
	defer r.tls.Close()
	if err := r.open(1, "/grpc.health.v1.Health/Watch", "grpc-timeout", "300m"); err != nil {
		return err
	}
	begin := time.Now()
	if err := r.frames.WriteData(1, true, grpcMessage(&healthpb.HealthCheckRequest{})); err != nil {
		return err
	}
	_, fields, err := r.answer(1)
	if err != nil {
		return err
	}
	if took := time.Since(begin); fields["grpc-status"] != "4" || took < 250*time.Millisecond || took > 2*time.Second {
		return fmt.Errorf("%v after %v", fields, took)
	}
	return nil
}

func pings(c *Case) error {
	r, err := c.raw()
	if err != nil {
		return err
	}
	defer r.tls.Close()
	if err := r.issue(c, 1, 1<<14, 0); err != nil {
		return err
	}
	for i := range byte(20) {
		if err := r.frames.WritePing(false, [8]byte{i}); err != nil {
			return err
		}
		for answered := false; !answered; {
			frame, err := r.frames.ReadFrame()
			if err != nil {
				return err
			}
			if away, ok := frame.(*http2.GoAwayFrame); ok {
				return fmt.Errorf("GOAWAY %v %q after %d pings", away.ErrCode, away.DebugData(), i+1)
			}
			ping, ok := frame.(*http2.PingFrame)
			answered = ok && ping.IsAck() && ping.Data[0] == i
		}
		time.Sleep(500 * time.Millisecond)
	}
	return r.issue(c, 3, 1<<14, 0)
}

func unknownFrames(c *Case) error {
	r, err := c.raw()
	if err != nil {
		return err
	}
	defer r.tls.Close()
	if err := r.frames.WriteRawFrame(0xfa, 0, 0, []byte("greasy")); err != nil { // RFC 9113 s5.5
		return err
	}
	if err := r.frames.WriteSettings(http2.Setting{ID: 0x7a7a, Val: 1}, http2.Setting{ID: http2.SettingEnablePush, Val: 0}); err != nil {
		return err
	}
	return r.issue(c, 1, 1<<14, 0)
}
