package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

func ledgerExchangeCommand(g *globals) *cobra.Command {
	var flags documentFlags
	var effective effectiveFlag
	var rate string
	exchange := &pb.Exchange{}
	cmd := &cobra.Command{
		Use:   "exchange FROM TO AMOUNT --rate N/D --broker-takes ACCOUNT --broker-gives ACCOUNT",
		Short: "Give an amount of one asset for its equivalent in another",
		Long: `exchange moves AMOUNT, in the asset of FROM, to the account of a broker that takes,
and its equivalent from the account of the broker that gives to TO: N units for
each D units of AMOUNT, rounded down. What is rounded off stays with the broker. It
needs Spend on FROM and on the account of the broker that gives.`,
		Example: `  acquired ledger exchange /account/alice/usd /account/alice/eur 100.00 --rate 91/100 \
    --broker-takes /account/broker/usd --broker-gives /account/broker/eur`,
		Args: arguments(3, 3, "FROM TO AMOUNT"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if exchange.RateNumerator, exchange.RateDenominator, err = parseRate(rate); err != nil {
				return err
			}
			if exchange.EffectiveUnixNanos, err = effective.parse(time.Now()); err != nil {
				return err
			}
			exchange.Id, exchange.Debit, exchange.Credit, exchange.Amount = flags.resolve(), args[0], args[1], args[2]
			return flags.issue(g, cmd, &pb.Step{Step: &pb.Step_Exchange{Exchange: exchange}})
		},
	}
	flags.register(cmd.Flags(), "exchange")
	cmd.Flags().StringVar(&rate, "rate", "", "N/D: N units of the asset of TO for D units of that of FROM, whole numbers from 1 on")
	cmd.Flags().StringVar(&exchange.BrokerCredit, "broker-takes", "", "account of the broker that AMOUNT goes to")
	cmd.Flags().StringVar(&exchange.BrokerDebit, "broker-gives", "", "account of the broker that the equivalent comes from")
	effective.register(cmd.Flags())
	descriptionFlag(cmd.Flags(), &exchange.Description)
	for _, name := range []string{"broker-gives", "broker-takes", "rate"} {
		requireFlag(cmd, name)
	}
	return cmd
}

func parseRate(s string) (numerator, denominator uint64, err error) {
	above, below, _ := strings.Cut(s, "/")
	numerator, aboveErr := strconv.ParseUint(above, 10, 64)
	denominator, belowErr := strconv.ParseUint(below, 10, 64)
	if aboveErr != nil || belowErr != nil || numerator == 0 || denominator == 0 {
		return 0, 0, usage("--rate %q is not N/D with whole numbers from 1 on, such as 91/100", s)
	}
	return numerator, denominator, nil
}
