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

func (s *ledgerService) ChangeAccount(ctx context.Context, req *pb.ChangeAccountRequest) (*pb.ChangeAccountResponse, error) {
	return propose(ctx, s.node, ledger.ChangeAccount, req)
}

func (s *ledgerService) CloseAccount(ctx context.Context, req *pb.CloseAccountRequest) (*pb.CloseAccountResponse, error) {
	return propose(ctx, s.node, ledger.CloseAccount, req)
}

func (s *ledgerService) Op(ctx context.Context, req *pb.OpRequest) (*pb.OpResponse, error) {
	return propose(ctx, s.node, ledger.Op, req)
}

func (s *ledgerService) ClosePeriod(ctx context.Context, req *pb.ClosePeriodRequest) (*pb.ClosePeriodResponse, error) {
	return propose(ctx, s.node, ledger.ClosePeriod, req)
}

func (s *ledgerService) Hold(ctx context.Context, req *pb.HoldRequest) (*pb.HoldResponse, error) {
	return read(ctx, s.node, ledger.Hold, req)
}

func (s *ledgerService) Holds(ctx context.Context, req *pb.HoldsRequest) (*pb.HoldsResponse, error) {
	return read(ctx, s.node, ledger.Holds, req)
}

func (s *ledgerService) Journal(ctx context.Context, req *pb.JournalRequest) (*pb.JournalResponse, error) {
	return read(ctx, s.node, ledger.Journal, req)
}

func (s *ledgerService) Audit(ctx context.Context, req *pb.AuditRequest) (*pb.AuditResponse, error) {
	return read(ctx, s.node, ledger.Audit, req)
}

func (s *ledgerService) DocumentKeys(ctx context.Context, req *pb.DocumentKeysRequest) (*pb.DocumentKeysResponse, error) {
	return read(ctx, s.node, ledger.DocumentKeys, req)
}

func (s *ledgerService) Account(ctx context.Context, req *pb.AccountRequest) (*pb.AccountResponse, error) {
	return read(ctx, s.node, ledger.Account, req)
}

func (s *ledgerService) Accounts(ctx context.Context, req *pb.AccountsRequest) (*pb.AccountsResponse, error) {
	return read(ctx, s.node, ledger.ListAccounts, req)
}

func (s *ledgerService) RollUp(ctx context.Context, req *pb.RollUpRequest) (*pb.RollUpResponse, error) {
	return read(ctx, s.node, ledger.RollUp, req)
}

func (s *ledgerService) Periods(ctx context.Context, req *pb.PeriodsRequest) (*pb.PeriodsResponse, error) {
	return read(ctx, s.node, ledger.Periods, req)
}

func (s *ledgerService) Documents(ctx context.Context, req *pb.DocumentsRequest) (*pb.DocumentsResponse, error) {
	return read(ctx, s.node, ledger.Documents, req)
}
