package server

import (
	"context"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

type ledgerService struct {
	pb.UnimplementedLedgerServer
	node *Node
}

func (s *ledgerService) CreateAsset(ctx context.Context, req *pb.CreateAssetRequest) (*pb.CreateAssetResponse, error) {
	return propose(ctx, s.node, ledger.CreateAsset, req)
}

func (s *ledgerService) OpenAccount(ctx context.Context, req *pb.OpenAccountRequest) (*pb.OpenAccountResponse, error) {
	return propose(ctx, s.node, ledger.OpenAccount, req)
}

func (s *ledgerService) Transfer(ctx context.Context, req *pb.TransferRequest) (*pb.TransferResponse, error) {
	return propose(ctx, s.node, ledger.Transfer, req)
}

func (s *ledgerService) Lookup(ctx context.Context, req *pb.LookupRequest) (*pb.LookupResponse, error) {
	return read(ctx, s.node, ledger.Lookup, req)
}

func (s *ledgerService) Balance(ctx context.Context, req *pb.BalanceRequest) (*pb.BalanceResponse, error) {
	return read(ctx, s.node, ledger.Balance, req)
}

func (s *ledgerService) Statement(ctx context.Context, req *pb.StatementRequest) (*pb.StatementResponse, error) {
	return read(ctx, s.node, ledger.Statement, req)
}

func (s *ledgerService) TrialBalance(ctx context.Context, req *pb.TrialBalanceRequest) (*pb.TrialBalanceResponse, error) {
	return read(ctx, s.node, ledger.TrialBalance, req)
}
