package main

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	pb "istio.io/api/security/v1alpha1"
)

var reflectionTests = []test{
	{"reflection v1: list of services", func(c *Case) error {
		return withReflection(c, reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, listServices)
	}},
	{"reflection v1alpha: list of services", func(c *Case) error {
		return withReflection(c, reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName, listServices)
	}},
	{"reflection: the CSR API's messages are those of istio.io/api", func(c *Case) error {
		return withReflection(c, reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, sameMessages)
	}},
	{"reflection: a call by nothing but reflection", func(c *Case) error {
		return withReflection(c, reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, callByReflection)
	}},
	{"reflection: unknown symbol and file", func(c *Case) error {
		return withReflection(c, reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, unknownSymbol)
	}},
}

const csrService = "istio.v1.auth.IstioCertificateService"

// reflection is one stream; v1 and v1alpha are equal on the wire, so one set of messages serves both.
type reflection struct {
	conn   *grpc.ClientConn
	stream grpc.ClientStream
}

func (r *reflection) ask(q *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
	if err := r.stream.SendMsg(q); err != nil {
		return nil, err
	}
	answer := &reflectionv1.ServerReflectionResponse{}
	return answer, r.stream.RecvMsg(answer)
}

func withReflection(c *Case, method string, run func(*Case, *reflection) error) error {
	conn := c.dial(nil)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	if err := run(c, &reflection{conn, stream}); err != nil {
		return err
	}
	return stream.CloseSend()
}

func listServices(_ *Case, r *reflection) error {
	answer, err := r.ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return err
	}
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.Name)
	}
	for _, want := range []string{csrService, "grpc.health.v1.Health"} {
		if !slices.Contains(names, want) {
			return fmt.Errorf("%s is not in %v", want, names)
		}
	}
	return nil
}

// service builds the descriptor from the files that the server sends; imports that are missing would fail here.
func (r *reflection) service() (protoreflect.ServiceDescriptor, error) {
	answer, err := r.ask(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: csrService}})
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, text := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(text, file); err != nil {
			return nil, err
		}
		set.File = append(set.File, file)
	}
	if len(set.File) == 0 {
		return nil, fmt.Errorf("no file: %v", answer.GetErrorResponse())
	}
	if err := r.imports(set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	d, err := files.FindDescriptorByName(csrService)
	if err != nil {
		return nil, err
	}
	return d.(protoreflect.ServiceDescriptor), nil
}

// imports asks for what the server did not send along; protocol: it may send all at once or leave it to the client.
func (r *reflection) imports(set *descriptorpb.FileDescriptorSet) error {
	have := map[string]bool{}
	for _, f := range set.File {
		have[f.GetName()] = true
	}
	for i := 0; i < len(set.File); i++ {
		for _, name := range set.File[i].Dependency {
			if have[name] {
				continue
			}
			answer, err := r.ask(&reflectionv1.ServerReflectionRequest{
				MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: name}})
			if err != nil {
				return err
			}
			for _, text := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
				file := &descriptorpb.FileDescriptorProto{}
				if err := proto.Unmarshal(text, file); err != nil {
					return err
				}
				if !have[file.GetName()] {
					have[file.GetName()] = true
					set.File = append(set.File, file)
				}
			}
			if !have[name] {
				return fmt.Errorf("the server does not give %s, which it imports", name)
			}
		}
	}
	return nil
}

func fields(m protoreflect.MessageDescriptor) (out []string) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		kind := f.Kind().String()
		if f.Message() != nil {
			kind = string(f.Message().FullName())
		}
		out = append(out, fmt.Sprintf("%d %s %s %s", f.Number(), f.Name(), f.Cardinality(), kind))
	}
	slices.Sort(out)
	return out
}

func sameMessages(_ *Case, r *reflection) error {
	service, err := r.service()
	if err != nil {
		return err
	}
	method := service.Methods().ByName("CreateCertificate")
	if method == nil || method.IsStreamingClient() || method.IsStreamingServer() {
		return fmt.Errorf("CreateCertificate: %v", method)
	}
	for _, pair := range []struct {
		ours, theirs protoreflect.MessageDescriptor
	}{
		{method.Input(), (&pb.IstioCertificateRequest{}).ProtoReflect().Descriptor()},
		{method.Output(), (&pb.IstioCertificateResponse{}).ProtoReflect().Descriptor()},
	} {
		if pair.ours.FullName() != pair.theirs.FullName() || !slices.Equal(fields(pair.ours), fields(pair.theirs)) {
			return fmt.Errorf("%s: %v, istio.io/api has %v", pair.ours.FullName(), fields(pair.ours), fields(pair.theirs))
		}
	}
	return nil
}

// callByReflection does what grpcurl does.
func callByReflection(_ *Case, r *reflection) error {
	service, err := r.service()
	if err != nil {
		return err
	}
	method := service.Methods().ByName("CreateCertificate")
	request, response := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	request.Set(method.Input().Fields().ByName("csr"), protoreflect.ValueOfString("x"))
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return wanted(r.conn.Invoke(ctx, "/"+csrService+"/CreateCertificate", request, response), 16, notWho)
}

func unknownSymbol(_ *Case, r *reflection) error {
	for _, q := range []*reflectionv1.ServerReflectionRequest{
		{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "no.such.Symbol"}},
		{MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: "no/such.proto"}},
	} {
		answer, err := r.ask(q)
		if err != nil {
			return err
		}
		if answer.GetErrorResponse().GetErrorCode() != 5 {
			return fmt.Errorf("%v: %v", q, answer)
		}
	}
	return nil
}
