"""One small export of each layout, in the shape that its vendor documents, with figures worked out by hand."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """The file, the period asked for, and its figures."""

    text: str
    period: str
    figures: dict[str, float | None]
    left: dict[str, int] = {}  # noqa: RUF012, rows left out by name
    name: str = "export.csv"


CASES = {
    # 59 + (80 - 30): the voided, the test and the unpaid order, and the second line of #1, do not count
    "shopify_orders": Case(
        """Name,Email,Financial Status,Paid at,Currency,Subtotal,Total,Created at,Lineitem quantity,Lineitem name,Shipping Country,Cancelled at,Payment Method,Refunded Amount,Id,Tags,Source
#1,a@example.com,paid,2024-01-05 10:00:00 -0500,USD,50.00,59.00,2024-01-05 10:00:00 -0500,1,Mug,US,,Shopify Payments,0.00,1,,web
#1,a@example.com,,,,,,2024-01-05 10:00:00 -0500,2,Tea,,,,,,,
#2,A@Example.com,partially_refunded,2024-01-06 10:00:00 -0500,USD,80.00,80.00,2024-01-06 10:00:00 -0500,1,Mug,US,,Shopify Payments,30.00,2,,web
#3,b@example.com,voided,,USD,99.00,99.00,2024-01-07 10:00:00 -0500,1,Mug,US,2024-01-07 11:00:00 -0500,,0.00,3,,web
#4,c@example.com,paid,2024-01-08 10:00:00 -0500,USD,10.00,10.00,2024-01-08 10:00:00 -0500,1,Mug,US,,bogus,0.00,4,,web
#5,d@example.com,paid,2024-01-08 10:00:00 -0500,USD,10.00,10.00,2024-01-08 10:00:00 -0500,1,Mug,US,,manual,0.00,5,"vip, test",web
#6,e@example.com,pending,,USD,7.00,7.00,2024-01-09 10:00:00 -0500,1,Mug,US,,manual,0.00,6,,web
""",
        "2024-01",
        {"revenue": 109, "active_customers": 1},
        {"further line of an order": 1, "voided": 1, "test order": 2, "not paid": 1},
    ),
    "woocommerce_analytics_orders": Case(
        """Date,Order #,N. Revenue (formatted),Status,Customer,Customer type,Product(s),Items sold,Coupon(s),Net Sales,Attribution
2024-01-05 10:00:00,11,$20.00,completed,Ann,new,1× Mug,1,,20.00,Direct
2024-01-06 10:00:00,12,$5.00,processing,Ben,new,1× Tea,1,,5.00,Direct
2024-01-07 10:00:00,13,$9.00,cancelled,Cy,new,1× Tea,1,,9.00,Direct
""",
        "2024-01",
        {"revenue": 25, "guest_revenue": 25, "active_customers": 0},
        {"not paid": 1},
    ),
    # order 21 has two items; its total counts once: 30 - 10, and 8
    "woocommerce_advanced_order_export": Case(
        """Order Number,Order Status,Order Date,Email (Billing),Country Code (Billing),Item #,Order Line Total,Order Refund Amount,Order Total Amount
21,Completed,2024-01-05 10:00,a@example.com,FR,1,20.00,10.00,30.00
21,Completed,2024-01-05 10:00,a@example.com,FR,2,10.00,10.00,30.00
22,Processing,2024-01-06 10:00,B@example.com,FR,1,8.00,0.00,8.00
23,Failed,2024-01-07 10:00,c@example.com,FR,1,9.00,0.00,9.00
24,Cancelled,2024-01-07 10:00,c@example.com,FR,1,9.00,0.00,9.00
""",
        "2024-01",
        {"revenue": 28, "active_customers": 2},
        {"not paid": 1, "cancelled": 1},
    ),
    # at 22:30 of 31 January in New York it is February by UTC
    "square_transactions": Case(
        """Date,Time,Time Zone,Gross Sales,Net Sales,Tax,Transaction ID,Payment ID,Event Type,Location,Customer ID,Transaction Status
01/05/2024,2:30:00 PM,Eastern Time (US & Canada),"$1,060.00","$1,000.00",$80.00,T1,P1,Payment,Main,C1,Complete
2024-01-06,10:02:11,Eastern Time (US & Canada),$30.00,$27.00,$2.16,T2,P2,Payment,Main,,Complete
01/07/2024,12:15:00 AM,Eastern Time (US & Canada),-$30.00,-$27.00,-$2.16,T2,P3,Refund,Main,,Complete
01/31/2024,10:30:00 PM,Eastern Time (US & Canada),$5.00,$5.00,$0.00,T4,P4,Payment,Main,C1,Complete
01/08/2024,1:00:00 PM,Eastern Time (US & Canada),$9.00,$9.00,$0.00,T5,P5,Payment,Main,C2,Failed
""",
        "2024-01",
        {"revenue": 1027, "guest_revenue": 27, "refunds": 27, "active_customers": 1},
        {"not complete": 1},
    ),
    # T1 has two lines: 10 + 5
    "square_items": Case(
        """Date,Time,Time Zone,Category,Item,Qty,Price Point Name,SKU,Gross Sales,Discounts,Net Sales,Tax,Transaction ID,Payment ID,Event Type,Location,Customer ID
01/05/24,14:30:00,Pacific Time (US & Canada),Mugs,Mug,1,Regular,M,$10.00,$0.00,$10.00,$1.00,T1,P1,Payment,Main,C1
01/05/24,14:30:00,Pacific Time (US & Canada),Teas,Tea,1,Regular,T,$6.00,-$1.00,$5.00,$0.50,T1,P1,Payment,Main,C1
01/06/24,09:00:00,Pacific Time (US & Canada),Teas,Tea,1,Regular,T,$7.00,$0.00,$7.00,$0.50,T2,P2,Payment,Main,
""",
        "2024-01",
        {"revenue": 22, "guest_revenue": 7, "average_purchase_value": 15},
    ),
    # 25 - 5, and 10 of a guest by name
    "etsy_sold_orders": Case(
        """Sale Date,Order ID,Buyer User ID,Full Name,Ship Country,Currency,Order Value,Discount Amount,Shipping,Order Total,Order Net,Buyer
01/05/24,301,anna,Anna A,Germany,EUR,25.00,5.00,4.00,24.00,22.00,Anna A (anna)
12/31/23,300,anna,Anna A,Germany,EUR,7.00,0.00,4.00,11.00,10.00,Anna A (anna)
01/06/24,302,,Ben B,France,EUR,10.00,0.00,4.00,14.00,13.00,Ben B
""",
        "2024-01",
        {"revenue": 30, "active_customers": 2, "customer_retention_rate": 1},
    ),
    # of order 1 two items, 10 + 4; the cancelled item has no price
    "amazon_all_orders": Case(
        """amazon-order-id,merchant-order-id,purchase-date,order-status,sales-channel,item-status,sku,quantity,currency,item-price,ship-country
1,1,2024-01-05T08:04:21+00:00,Shipped,Amazon.co.uk,Shipped,M,1,GBP,10.00,GB
1,1,2024-01-05T08:04:21+00:00,Shipped,Amazon.co.uk,Shipped,T,1,GBP,4.00,GB
2,2,2024-01-06T08:04:21+00:00,Cancelled,Amazon.co.uk,Cancelled,T,1,GBP,,GB
3,3,2024-01-07T08:04:21+00:00,Pending,Amazon.co.uk,Unshipped,T,1,GBP,3.00,GB
""",
        "2024-01",
        {"revenue": 14, "guest_revenue": 14, "active_customers": 0},
        {"cancelled": 1, "not paid": 1},
    ),
    # at the end of January: 30, a yearly 1,200 / 12 and 10 until the period's end in February
    "stripe_subscriptions": Case(
        """id,Customer ID,Plan,Quantity,Currency,Interval,Amount,Status,Created (UTC),Start Date (UTC),Current Period End (UTC),Trial End (UTC),Canceled At (UTC),Cancel At Period End,Ended At (UTC),Cancellation Reason,Cancellation Feedback
s1,c1,p,3,usd,month,30.00,active,2024-01-05 10:00,2024-01-05 10:00,2024-03-05 10:00,,,false,,,
s2,c2,p,1,usd,month,10.00,canceled,2023-12-05 10:00,2023-12-05 10:00,2024-01-20 10:00,,2024-01-01 09:00,true,2024-01-20 10:00,cancellation_requested,too_expensive
s3,c3,q,1,usd,year,"1,200.00",active,2024-01-06 10:00,2024-01-06 10:00,2025-01-06 10:00,,,false,,,
s4,c4,p,1,usd,month,10.00,active,2024-01-07 10:00,2024-01-07 10:00,2024-02-07 10:00,,2024-01-11 10:00,true,,cancellation_requested,unused
s5,c5,p,1,usd,month,10.00,incomplete_expired,2024-01-07 10:00,2024-01-07 10:00,2024-02-07 10:00,,,false,2024-01-08 10:00,payment_failed,
s6,c6,p,1,usd,month,10.00,active,2024-02-20 10:00,2024-02-20 10:00,2024-03-20 10:00,,,false,,,
""",
        "2024-01",
        {"mrr": 140, "customers_at_end": 3, "customer_churn_rate": 1},
        {"never paid": 1},
    ),
    # 50 - 20 of two live payments
    "stripe_payments": Case(
        """id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Status,Customer ID,Customer Email,Mode
p1,2024-01-05 10:00:00,40.00,20.00,usd,true,Paid,c1,a@example.com,Live
p2,2024-01-06 10:00:00,10.00,10.00,usd,true,Refunded,c2,b@example.com,Live
p3,2024-01-07 10:00:00,10.00,0.00,usd,true,Paid,,C@example.com,Live
p4,2024-01-07 10:00:00,99.00,0.00,usd,false,Failed,c3,d@example.com,Live
p5,2024-01-07 10:00:00,99.00,0.00,usd,true,Paid,c3,d@example.com,Test
p6,2024-01-07 10:00:00,99.00,0.00,usd,false,Paid,c3,d@example.com,Live
""",
        "2024-01",
        {"revenue": 30, "active_customers": 2},
        {"test payment": 1, "not paid": 1, "not captured": 1},
    ),
    # 30 for a quarter and 10 of one that does not renew
    "chargebee_subscriptions": Case(
        """id,customer_id,plan_id,plan_amount,billing_period,billing_period_unit,status,started_at,current_term_end,trial_end,cancelled_at,cancel_reason,currency_code
1,c1,p,30.00,3,month,active,2024-01-05 10:00:00,2024-04-05 10:00:00,,,,EUR
2,c2,p,10.00,1,month,non_renewing,2024-01-06 10:00:00,2024-02-06 10:00:00,,,,EUR
3,c3,p,10.00,1,month,cancelled,2023-12-06 10:00:00,2024-01-06 10:00:00,,2024-01-06 10:00:00,not_paid,EUR
4,c4,p,10.00,1,month,future,2024-01-09 10:00:00,,,,,EUR
5,c5,p,10.00,1,month,active,2024-02-09 10:00:00,2024-03-09 10:00:00,,,,EUR
""",
        "2024-01",
        {"mrr": 20, "customers_at_end": 2, "customer_churn_rate": 1},
        {"not begun": 1},
    ),
    # canceled pays until it expires
    "recurly_subscriptions": Case(
        """uuid,account_code,email,state,plan_code,unit_amount,quantity,currency,plan_interval_length,plan_interval_unit,activated_at,canceled_at,expires_at
1,c1,a@example.com,active,p,10.00,2,USD,1,month,2024-01-05 10:00:00,,
2,c2,b@example.com,canceled,p,10.00,1,USD,1,month,2024-01-05 10:00:00,2024-01-20 10:00:00,2024-02-05 10:00:00
3,c3,c@example.com,expired,p,10.00,1,USD,1,month,2023-12-05 10:00:00,2023-12-20 10:00:00,2024-01-05 10:00:00
4,c4,d@example.com,failed,p,10.00,1,USD,1,month,2024-01-05 10:00:00,,
5,c5,e@example.com,active,p,10.00,1,USD,1,month,2024-02-07 10:00:00,,
""",
        "2024-01",
        {"mrr": 30, "customers_at_end": 2, "customer_churn_rate": 1},
        {"failed": 1},
    ),
    "paddle_transactions": Case(
        """transaction_id,customer_id,status,billed_at,total,currency_code
t1,c1,completed,2024-01-05T10:00:00Z,10.00,USD
t2,c2,paid,2024-01-06T10:00:00Z,5.00,USD
t3,c3,draft,2024-01-06T10:00:00Z,9.00,USD
""",
        "2024-01",
        {"revenue": 15, "active_customers": 2},
        {"not paid": 1},
    ),
    # two of 10.25 a month, and 30.00 for three months
    "baremetrics_import": Case(
        """plan_oid,plan_name,plan_currency,plan_amount,plan_interval,plan_interval_count,customer_oid,customer_name,customer_email,subscription_oid,subscription_started_at,subscription_canceled_at,subscription_quantity
p,Pro,usd,1025,month,1,c1,A,a@example.com,s1,2024-01-05,,2
q,Big,usd,3000,month,3,c2,B,b@example.com,s2,2024-01-06,,1
p,Pro,usd,1000,month,1,c3,C,c@example.com,s3,2023-12-06,2024-01-06,1
p,Pro,usd,1000,month,1,c4,D,d@example.com,s4,2024-02-06,,1
""",
        "2024-01",
        {"mrr": 30.5, "customers_at_end": 2, "customer_churn_rate": 1},
    ),
    "chartmogul_import": Case(
        """customer_external_id,subscription_external_id,plan_name,service_period_start,service_period_end,amount_in_cents,currency
c1,s1,Pro,2023-12-05,2024-01-05,1000,USD
c1,s1,Pro,2024-01-05,2024-02-05,1500,USD
c2,s2,Pro,2023-12-10,2024-01-10,1000,USD
c3,s3,Pro,2024-02-01,2024-03-01,1000,USD
""",
        "2024-01",
        {"mrr": 15, "customers_at_end": 1, "customer_churn_rate": 0.5},
    ),
    # promoters 2 of 3: an unfinished answer does not count
    "questionpro_raw": Case(
        """Response ID,IP Address,Timestamp,Duplicate,Time Taken To Complete (Seconds),Response Status,External Reference,Respondent Email,Country Code,How likely are you to recommend us?,Why?
1,1.1.1.1,2024-01-05 10:00:00,No,60,Completed,c1,,US,10,Because it is good
2,1.1.1.1,2024-01-06 10:00:00,No,50,Completed,,B@example.com,US,9,I like it very much
3,1.1.1.1,2024-01-07 10:00:00,No,40,Completed,c3,,US,2,It was too slow for me
4,1.1.1.1,2024-01-07 10:00:00,No,0,Incomplete,c4,,US,10,
""",
        "2024-01",
        {"net_promoter_score": 100 / 3, "response_count": 3},
        {"unfinished": 1},
    ),
    # 10, 0 and 8 make 0 points; 5 and 2 of 1-5 are half satisfied; the group of the first is no question
    "surveymonkey": Case(
        """Respondent ID,Collector ID,Start Date,End Date,IP Address,Email Address,First Name,Last Name,Custom Data 1,How likely is it that you would recommend us?,,Overall how satisfied are you?,Would you recommend a feature?,Any comments?
,,,,,,,,,Response,How likely is it that you would recommend us? - Group,Response,Response,Open-Ended Response
1,9,01/05/2024 08:00:01 AM,01/05/2024 08:02:11 AM,1.1.1.1,a@example.com,,,c1,10 - Extremely likely,Promoter,Very satisfied,Yes,Great
2,9,01/13/2024 11:00:01 PM,01/13/2024 11:02:11 PM,1.1.1.1,,,,c2,0 - Not at all likely,Detractor,Dissatisfied,No,
3,9,01/14/2024 11:00:01 PM,01/14/2024 11:02:11 PM,1.1.1.1,,,,c3,8,Passive,,Yes,Ok
""",
        "2024-01",
        {"net_promoter_score": 0, "customer_satisfaction_score": 0.5, "response_count": 5},
    ),
    "qualtrics": Case(
        """StartDate,EndDate,Status,IPAddress,Progress,Finished,RecordedDate,ResponseId,RecipientEmail,ExternalReference,UserLanguage,Q1_NPS_GROUP,Q1,Q2,Q3
Start Date,End Date,Response Type,IP Address,Progress,Finished,Recorded Date,Response ID,Recipient Email,External Data Reference,User Language,"How likely are you to recommend us? - Group","How likely are you
to recommend us?","Overall, how satisfied were you?",Why?
"{""ImportId"":""startDate"",""timeZone"":""America/Denver""}","{""ImportId"":""endDate""}","{""ImportId"":""status""}","{""ImportId"":""ip""}","{""ImportId"":""progress""}","{""ImportId"":""finished""}","{""ImportId"":""recordedDate"",""timeZone"":""America/Denver""}","{""ImportId"":""_recordId""}","{""ImportId"":""mail""}","{""ImportId"":""ref""}","{""ImportId"":""lang""}","{""ImportId"":""QID1_NPS_GROUP""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2""}","{""ImportId"":""QID3_TEXT""}"
2024-01-01 08:00:00,2024-01-01 08:02:00,IP Address,1.1.1.1,100,True,2024-01-01 08:02:01,R_1,a@example.com,c1,EN,Promoter,10,5,Great
2024-01-02 08:00:00,2024-01-02 08:02:00,IP Address,1.1.1.1,100,True,2024-01-02 08:02:01,R_2,b@example.com,c2,EN,Detractor,3,Somewhat dissatisfied,Slow
2024-01-03 08:00:00,2024-01-03 08:02:00,Survey Preview,1.1.1.1,100,True,2024-01-03 08:02:01,R_3,,,EN,Promoter,9,5,test
2024-01-04 08:00:00,2024-01-04 08:02:00,IP Address,1.1.1.1,50,False,2024-01-11 08:02:01,R_4,d@example.com,c4,EN,Passive,7,,
""",
        "2024-01",
        {"net_promoter_score": 0, "customer_satisfaction_score": 0.5, "response_count": 4},
        {"preview or test": 2, "unfinished": 2},  # of each of the two questions
    ),
    "typeform": Case(
        """#,How likely are you to recommend us?,Why?,customer_id,Response Type,Start Date (UTC),Stage Date (UTC),Submit Date (UTC),Network ID,Tags,Ending
x1,9,Because it is good,c1,completed,2024-01-05 10:00:00,,2024-01-05 10:01:00,n1,,e
x2,6,Because it is slow,c2,completed,2024-01-06 10:00:00,,2024-01-06 10:01:00,n2,,e
x3,10,,c3,partial,2024-01-06 10:00:00,2024-01-06 10:01:00,,n3,,
""",
        "2024-01",
        {"net_promoter_score": 0, "response_count": 2},
        {"unfinished": 1},
    ),
    # by the zone of the times it is still January at UTC+3, December in UTC
    "google_forms": Case(
        """"Timestamp","On a scale of 0 to 10, how likely are you to recommend us (""Acme"") to a friend?","Email Address"
"2024/01/05 2:30:00 PM GMT+3","9","a@example.com"
"2024/01/06 9:30:00 AM GMT+3","3","b@example.com"
"2024/01/01 1:30:00 AM GMT+3","3","c@example.com"
""",
        "2024-01",
        {"net_promoter_score": 0, "response_count": 2},
    ),
    # in Arabic: 9 and 10 of 0-10; 4 and 5 of 1-5
    "microsoft_forms": Case(
        """ID,Start time,Completion time,Email,Name,ما مدى احتمال أن توصي بنا لصديق؟,ما مدى رضاك عن الخدمة؟
1,2024-01-05 10:00:00,2024-01-05 10:01:00,anonymous,,9,5
2,2024-01-06 10:00:00,2024-01-06 10:01:00,b@example.com,Ben,10,4
3,2024-01-06 11:00:00,2024-01-06 11:01:00,c@example.com,Cy,7,2
""",
        "2024-01",
        {"net_promoter_score": 200 / 3, "customer_satisfaction_score": 2 / 3},
    ),
    "delighted": Case(
        """Response ID,Person Email,Survey Type,Score,Comment,Created At
1,a@example.com,nps,9,Good,2024-01-05 10:00:00 UTC
2,b@example.com,nps,6,,2024-01-06 10:00:00 UTC
3,b@example.com,csat,4,,2024-01-06 10:00:00 UTC
""",
        "2024-01",
        {"net_promoter_score": 0, "customer_satisfaction_score": 1},
    ),
    "zendesk_csat_legacy": Case(
        """id,assignee_id,comment,created_at,group_id,reason,requester_id,score,ticket_id,updated_at
1,7,Fine,2024-01-05T10:00:00Z,1,,c1,good,91,2024-01-05T10:00:00Z
2,7,,2024-01-06T10:00:00Z,1,,c2,bad,92,2024-01-06T10:00:00Z
3,7,,2024-01-06T10:00:00Z,1,,c3,good with comment,93,2024-01-06T10:00:00Z
4,7,,2024-01-06T10:00:00Z,1,,c4,offered,94,2024-01-06T10:00:00Z
""",
        "2024-01",
        {"customer_satisfaction_score": 2 / 3, "response_count": 3},
        {"not answered": 1},
    ),
    "hubspot_feedback": Case(
        """Survey Type,Survey name,Contact ID,Rating,Response,Submission date
NPS,Loyalty,c1,10,Good,2024-01-05 10:00:00
NPS,Loyalty,c2,9,,2024-01-06 10:00:00
CES,Support,c2,6,,2024-01-06 10:00:00
CSAT,Happy,c1,2,,2024-01-06 10:00:00
CSAT,Happy,c2,1,,2024-01-06 10:00:00
CSAT,Happy,c3,0,,2024-01-06 10:00:00
""",
        "2024-01",
        {"net_promoter_score": 100, "customer_effort_score": 1, "customer_satisfaction_score": 1 / 3},
    ),
    "intercom_ratings": Case(
        """Conversation ID,User ID,Conversation rating,Conversation rating remark,Conversation started at
1,c1,5,Good,2024-01-05 10:00:00
2,c2,2,,2024-01-06 10:00:00
3,c3,,,2024-01-06 10:00:00
""",
        "2024-01",
        {"customer_satisfaction_score": 0.5, "response_count": 2},
        {"not answered": 1},
    ),
}
