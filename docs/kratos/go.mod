module github.com/redismm/matchmaker/docs/kratos

go 1.26.0

replace github.com/redismm/matchmaker => ../..

require (
	github.com/go-kratos/kratos/v2 v2.8.3
	github.com/redismm/matchmaker v0.0.0-00010101000000-000000000000
)
