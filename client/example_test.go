package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func Example_transfer() {
	ca, err := os.ReadFile("ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := os.ReadFile("operator.pem")
	if err != nil {
		log.Fatal(err)
	}
	key, err := os.ReadFile("operator.key")
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, client.Config{
		Addresses:   []string{"node1:7400", "node2:7400", "node3:7400"},
		Cluster:     "research",
		CA:          ca,
		Certificate: certificate,
		Key:         key,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, err = c.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: []*pb.Transfer{{
		Id:     "invoice-1042",
		Debit:  "/account/bu1/alice",
		Credit: "/account/centre/cpu",
		Amount: "12.50",
	}}})
	switch {
	case errors.Is(err, fault.Insufficient):
		fmt.Println("alice cannot pay that")
		return
	case err != nil:
		log.Printf("outcome %s: %v", fault.OutcomeOf(err), err)
		return
	}

	// The client has seen its write, so this read does too, on any node.
	balance, err := c.Ledger.Balance(ctx, &pb.BalanceRequest{Path: "/account/bu1/alice"})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(balance.GetAvailable(), balance.GetAsset())
}
