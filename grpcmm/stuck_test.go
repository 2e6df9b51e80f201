package grpcmm_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/redismm/matchmaker/grpcmm"
)

func TestStopDoesNotWaitForAHandlerThatIgnoresItsContext(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stuck, in := make(chan struct{}), make(chan struct{})
	defer close(stuck)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { close(in); <-stuck; return nil }))
	s := grpcmm.Service(server, lis)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	cc, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	go func() { _ = cc.Invoke(context.Background(), "/stuck/call", &emptypb.Empty{}, &emptypb.Empty{}) }()
	<-in
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Stop(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("stopped with a call in flight, and did not say so")
		}
	case <-time.After(patience):
		t.Fatal("Stop hangs after its ctx has ended")
	}
	<-served
}
